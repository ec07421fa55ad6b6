"""Names the layouts that are not read, by files that they contain, so that a refusal can say what it saw."""

from collections.abc import Iterable
from pathlib import PurePosixPath

_FOREIGN = (
    ("data.yaml", "a YOLO set (data.yaml)"),
    ("dataset.yaml", "a YOLO set (dataset.yaml)"),
    ("_annotations.coco.json", "a COCO set (_annotations.coco.json)"),
    ("metadata.jsonl", "a Hugging Face folder with metadata.jsonl; write it as metadata.csv"),
    ("metadata.parquet", "a Hugging Face folder with metadata.parquet"),
    ("state.json", "a Hugging Face set that save_to_disk stored; write it with to_parquet"),
    ("data_batch_1", "CIFAR's own Python files; torchvision://CIFAR10 reads that set"),
    ("train-images-idx3-ubyte", "MNIST's own files; torchvision://MNIST reads that set"),
)
_FOREIGN_SUFFIXES = (
    (".tfrecord", "TFRecord files"),
    (".arrow", "Arrow files; write Parquet"),
    (".npz", "arrays; give the .npz itself"),
    (".npy", "arrays; write an .npz with x_train, y_train, x_test, y_test"),
    (".h5", "an HDF5 file"),
    (".hdf5", "an HDF5 file"),
    (".pkl", "pickled objects, which are never read"),
    (".xml", "a set with a description of each image in XML (Pascal VOC)"),
    (".json", "a set whose labels are in JSON (COCO or another)"),
    (".cls", "a WebDataset; write a folder for each class"),
    (".csv", "a folder with a table of another name; call it metadata.csv, with columns file_name and label"),
    (".tsv", "a folder with a table as .tsv; call it metadata.csv, with columns file_name and label"),
)


def foreign_layout(files: Iterable[PurePosixPath]) -> str | None:
    """The layout of another program that these files seem to have, or None."""
    names = {file.name.lower() for file in files}
    suffixes = {PurePosixPath(name).suffix for name in names}
    by_name = [layout for name, layout in _FOREIGN if name in names]
    by_suffix = [layout for suffix, layout in _FOREIGN_SUFFIXES if suffix in suffixes]
    return next(iter(by_name + by_suffix), None)
