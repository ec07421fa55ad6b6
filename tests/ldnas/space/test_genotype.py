"""Genotypes: how they are read and written, which are refused and how the refusal reads."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldnas.errors import InvalidGenotypeError
from ldnas.space.genotype import EDGES, PRIMITIVES, Genotype

genotypes = st.tuples(*[st.sampled_from(PRIMITIVES)] * 6).map(Genotype)


def edges(**changes):
    items = [[start, end, "identity"] for start, end in EDGES]
    for index, item in changes.items():
        items[int(index[1:])] = item
    return {"edges": items}


@given(genotypes)
def test_a_genotype_survives_json(genotype):
    assert Genotype.from_json(genotype.to_json()) == genotype


def test_the_json_has_the_documented_shape():
    genotype = Genotype(("sep_conv_3x3", *["identity"] * 5))
    assert genotype.to_json()["edges"][:2] == [[0, 1, "sep_conv_3x3"], [0, 2, "identity"]]


def test_the_order_of_the_edges_does_not_matter():
    written = edges(_4=[1, 3, "sep_conv_5x5"])
    shuffled = {"edges": written["edges"][::-1]}
    assert Genotype.from_json(shuffled).digest == Genotype.from_json(written).digest


def test_different_cells_have_different_digests():
    assert len({Genotype((first, *["identity"] * 5)).digest for first in PRIMITIVES}) == len(PRIMITIVES)


@pytest.mark.parametrize(
    ("value", "field", "said"),
    [
        (edges(_3=[0, 3, "conv_9x9"]), "genotypes[0].edges[3]", "edge (0, 3) has no primitive 'conv_9x9'"),
        (edges(_3=[3, 0, "identity"]), "genotypes[0].edges[3]", "no edge from 3 to 0"),
        (edges(_0=[0, True, "identity"]), "genotypes[0].edges[0]", "no edge from 0 to True"),
        (edges(_0=[0.0, 1, "identity"]), "genotypes[0].edges[0]", "no edge from 0.0 to 1"),
        (edges(_1=[0, 1, "identity"]), "genotypes[0].edges[1]", "given twice"),
        (edges(_1=[0, 2]), "genotypes[0].edges[1]", "[from, to, primitive]"),
        (edges(_1=[0, 2, ["identity"]]), "genotypes[0].edges[1]", "known are identity, sep_conv_3x3"),
        ({"edges": edges()["edges"][:5]}, "genotypes[0].edges", "(2, 3)"),
        ({"edges": "sep_conv_3x3"}, "genotypes[0]", "six lists"),
        ({"edges": [], "nodes": 4}, "genotypes[0]", "six lists"),
        (None, "genotypes[0]", "six lists"),
    ],
)
def test_a_malformed_genotype_is_refused_with_its_place(value, field, said):
    with pytest.raises(InvalidGenotypeError) as refusal:
        Genotype.from_json(value, field="genotypes[0]")
    assert refusal.value.field == field
    assert said in refusal.value.message


def test_a_genotype_of_five_edges_cannot_be_made():
    with pytest.raises(InvalidGenotypeError, match="6 edges, not 5"):
        Genotype(("identity",) * 5)


def test_the_web_process_can_import_genotypes_and_spaces_without_torch_or_numpy():
    code = (
        "import sys, ldnas.space.genotype, ldnas.space.space, ldnas.space.skeleton, ldnas.space.complexity\n"
        "sys.exit(int('torch' in sys.modules or 'numpy' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
