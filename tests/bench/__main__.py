"""`make bench`: reading, training and serving, measured in one run against pandas and plain scikit-learn on the same machine."""

from tests.bench import reading, serving, training

if __name__ == "__main__":
    reading.main()
    training.main()
    serving.main()
