"""What the form calls the fields of a request, and what it says about them, to whoever has never read the API."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str, str]] = {
    "name": ("Name", "What the answer is called: letters, digits, blanks and _ . | -.", "its id"),
    "dataset.format": ("Layout of the files", "How they are to be read.", "told from the files"),
    "dataset.image_column": ("Column of the images", "Of a Parquet file.", "image"),
    "dataset.label_column": ("Column of the labels", "Of a Parquet file.", "label"),
    "dataset.split_column": (
        "Column of the split",
        "Says for each row whether it is train, validation or test.",
        "none",
    ),
    "dataset.group_column": ("Column of the group", "Rows of one group (a patient, a camera) share a split.", "none"),
    "dataset.fractions.train": ("Share for training", "Where the data has no split of its own.", "0.7 with the others"),
    "dataset.fractions.validation": ("Share for validation", "The search sees these images.", "0.15 with the others"),
    "dataset.fractions.test": ("Share for the test", "Seen once, at the end.", "0.15 with the others"),
    "labels.rest": ("All other labels form one more class", "Otherwise their images are left out.", ""),
    "labels.balance": (
        "Cut that class to the mean size of the others",
        "Keeps a large remainder from outweighing them.",
        "",
    ),
    "objective": ("What counts", "What the network is trained and chosen for.", ""),
    "budget.seconds": ("Minutes", "Of the whole job; then the best network so far is the answer.", ""),
    "budget.iterations": ("Iterations of the search", "At most; the job takes the time that they take.", ""),
    "constraints.max_parameters": ("Parameters, at most", "Trainable numbers: the size of the file.", "no limit"),
    "constraints.max_macs": ("Multiply-adds, at most", "For one image: what it costs to compute.", "no limit"),
    "constraints.max_latency_ms": (
        "Milliseconds, at most",
        "For one image on the worker's machine; foretold, then measured.",
        "no limit",
    ),
    "image_size": ("Side of the images, in pixels", "Each image is brought to this size.", "told from the images"),
    "search.strategy": ("Strategy", "What searches the space.", ""),
    "search.candidates": (
        "Networks in an iteration",
        "How many are compared with each other.",
        "what suits the strategy",
    ),
    "search.rounds": ("Rounds in an iteration", "Of fuse; of random and evolution, the epochs of a network.", "3"),
    "search.k": ("Cells of the closest task", "The best so many span the space that is searched.", "1"),
    "final.seeds": ("Networks trained in the end", "The best on validation images is the answer.", ""),
    "final.warm_start": (
        "Begin at weights trained on the closest task",
        "Helps where there are few images; without a close task nothing changes.",
        "",
    ),
    "control": (
        "Also search without the known tasks, for comparison",
        "Shows whether they helped. Takes several times as long again, outside of the budget.",
        "",
    ),
    "measure": ("Distance", "How far two tasks are from each other.", ""),
    "network": ("Network that measures distances", "Trained on each task.", "the service's own choice"),
    "epsilon": (
        "Epsilon",
        "A network stands for its task from 1 − epsilon balanced validation accuracy on.",
        "",
    ),
    "repetitions": ("Networks for each distance", "Each from a seed of its own; more make the interval narrower.", ""),
    "require_approximation": ("Leave out tasks whose networks miss 1 − epsilon", "They may mislead.", ""),
    "seed": ("Random seed", "Another one gives another run on the same images.", ""),
    "webhook.url": (
        "Address to tell the end to",
        "A signed POST goes there: https:// on a host of LDNAS_REMOTE_HOSTS.",
        "nobody is told",
    ),
    "webhook.secret": (
        "Secret that signs it",
        "The receiver has the same: whsec_ and 24 to 64 random bytes as base64. Shown nowhere afterwards.",
        "",
    ),
    "priority": ("Priority", "Of waiting jobs the highest goes first.", ""),
}
"""Label, what it does, and what happens where it is left empty; of what a schema gives a default for, nothing."""

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
    "evolution": "evolution: changes the best cells bit by bit",
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
"""Words for the values of a choice that do not speak for themselves."""
