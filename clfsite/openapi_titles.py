"""What each managing call does in a few words, and the groups of calls in the order in which people need them."""

GROUPS = {
    "serving": "Ask for predictions, and see what answers.",
    "predictions": "The log, and what was true after all.",
    "batches": "CSV files scored as jobs.",
    "versions": "What training made, which of it answers, and how well it does.",
    "runs": "Training jobs.",
    "datasets": "Tables to train on.",
    "MLflow": "The calls of MLflow's scoring server.",
    "Open Inference Protocol": "The calls of KServe, Triton and others.",
}
# those that are named by an address and stand elsewhere than under its first part
GROUP_OF = {"classifiers": "versions", "feedback": "predictions"}
TITLES = {
    "api_batches_list": "Batches, newest first",
    "api_batches_create": "Upload a file to be scored",
    "api_batches_retrieve": "One batch: how far it is, and how it ended",
    "api_batches_cancel_create": "End a batch",
    "api_batches_start_create": "Score a file that was uploaded to be looked at first",
    "batch_errors": "The faults of the file, as CSV",
    "batch_result": "The answers, as CSV",
    "api_classifiers_list": "Classifiers, and which version of each is active",
    "classifier_live": "How versions do where the truth is known",
    "api_datasets_list": "Datasets, newest first",
    "api_datasets_create": "Upload a table to train on",
    "api_datasets_retrieve": "One dataset: its contract and its columns",
    "upload_feedback": "Say what was true of many predictions, in a file",
    "give_feedback": "Say what was true of a prediction",
    "api_predictions_list": "The log, newest first",
    "api_predictions_retrieve": "One logged prediction",
    "api_runs_list": "Runs, newest first",
    "api_runs_create": "Start a run",
    "api_runs_retrieve": "One run: how far it is, and what it made",
    "api_runs_cancel_create": "End a run",
    "api_versions_list": "Versions, with how good each is",
    "api_versions_retrieve": "One version: its metrics and its contract",
    "api_versions_activate_create": "Let a version answer from now on",
    "api_versions_retrain_create": "Train again by a version's recipe",
    "api_versions_compare_retrieve": "Two to six versions side by side",
}
