"""Labels and hints of the request form, for readers who do not know the API."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str, str]] = {
    "name": ("Name", "Name of the answer: letters, digits, blanks and _ . | -.", "its id"),
    "dataset.format": ("Layout of the files", "How the service reads them.", "detected from the files"),
    "dataset.image_column": ("Column of the images", "Of a Parquet file.", "image"),
    "dataset.label_column": ("Column of the labels", "Of a Parquet file.", "label"),
    "dataset.split_column": (
        "Column of the split",
        "Assigns each row to train, validation or test.",
        "none",
    ),
    "dataset.group_column": ("Column of the group", "Rows of one group (a patient, a camera) share a split.", "none"),
    "dataset.fractions.train": ("Share for training", "For data without a split of its own.", "0.7 with the others"),
    "dataset.fractions.validation": ("Share for validation", "The search sees these images.", "0.15 with the others"),
    "dataset.fractions.test": ("Share for the test", "Seen once, at the end.", "0.15 with the others"),
    "labels.rest": ("All other labels form one more class", "Otherwise their images are left out.", ""),
    "labels.balance": (
        "Cut that class to the mean size of the others",
        "So that a large remainder does not outweigh them.",
        "",
    ),
    "objective": ("Objective", "The score that the network is trained and chosen for.", ""),
    "budget.seconds": ("Minutes", "For the whole job; at the end the best network so far is the answer.", ""),
    "budget.iterations": ("Iterations of the search", "At most; the job has no time limit.", ""),
    "constraints.max_parameters": (
        "Parameters, at most",
        "Trainable numbers; they set the file size.",
        "no limit",
    ),
    "constraints.max_macs": ("Multiply-adds, at most", "The cost of computing one image.", "no limit"),
    "constraints.max_latency_ms": (
        "Milliseconds, at most",
        "For one image on the worker's machine; predicted, then measured.",
        "no limit",
    ),
    "image_size": ("Side of the images, in pixels", "Each image is resized to this.", "derived from the images"),
    "search.strategy": ("Strategy", "The algorithm that searches the space.", ""),
    "search.candidates": (
        "Networks in an iteration",
        "The number of networks that are compared with each other.",
        "the default of the strategy",
    ),
    "search.rounds": ("Rounds in an iteration", "For fuse; for random and evolution, the epochs of a network.", "3"),
    "search.k": ("Cells of the closest task", "So many of its best cells define the search space.", "1"),
    "final.seeds": ("Networks trained in the end", "The best on validation images is the answer.", ""),
    "final.warm_start": (
        "Begin at weights trained on the closest task",
        "Helps with few images; has no effect without a close task.",
        "",
    ),
    "control": (
        "Also search without the known tasks, for comparison",
        "Shows whether they helped. Takes several times as long again, in addition to the budget.",
        "",
    ),
    "measure": ("Distance", "How far two tasks are from each other.", ""),
    "network": ("Network that measures distances", "Trained on each task.", "the service chooses"),
    "epsilon": (
        "Epsilon",
        "A network represents its task if its balanced validation accuracy reaches 1 − epsilon.",
        "",
    ),
    "repetitions": ("Networks for each distance", "Each has its own seed; more make the interval narrower.", ""),
    "require_approximation": ("Leave out tasks whose networks miss 1 − epsilon", "Their distances may mislead.", ""),
    "seed": ("Random seed", "Another seed gives another run on the same images.", ""),
    "webhook.url": (
        "Address for the notification",
        "The service sends a signed POST there when the job ends: https:// on a host of LDNAS_REMOTE_HOSTS.",
        "no notification",
    ),
    "webhook.secret": (
        "Secret that signs it",
        "The receiver has the same secret: whsec_ and 24 to 64 random bytes as base64. It is not shown again.",
        "",
    ),
    "priority": ("Priority", "The waiting job with the highest priority starts first.", ""),
}
"""Label, effect, and result of an empty field; no result for fields whose default the schema gives."""

CHOICES: Mapping[str | None, str] = {
    "accuracy": "Accuracy: each image counts the same",
    "balanced_accuracy": "Balanced accuracy: each class counts the same",
    "macro_f1": "Macro F1: misses and false alarms of each class",
    "fuse": "fuse: all candidates in one mixture, the best fused step by step",
    "random": "random: the best of random cells",
    "random_sharing": "random sharing: random cells with shared weights",
    "enas": "enas: a controller that learns, with shared weights",
    "darts": "darts: architecture weights by gradient, first order",
    "darts_second_order": "darts, second order",
    "pc_darts": "pc-darts: the same on some of the channels",
    "evolution": "evolution: changes the best cells step by step",
    "log_det_layerwise": "log-det by layers",
    "log_det": "log-det",
    "logme": "LogME",
    "frechet": "Fréchet",
    "task2vec": "Task2Vec",
    "task2vec_asymmetric": "Task2Vec, asymmetric",
    "parquet": "Parquet",
    "image_folder": "a folder for each class",
    "zip": "a ZIP file of such folders",
    "npz": "NumPy arrays (.npz)",
}
"""Words for the values of a choice that need an explanation."""
