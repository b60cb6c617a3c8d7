"""`make bench`: training and serving, measured in one run against plain scikit-learn on the same machine."""

from tests.bench import serving, training

if __name__ == "__main__":
    training.main()
    serving.main()
