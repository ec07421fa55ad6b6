"""Every layer rule against a float64 loop over samples, on drawn shapes."""

import pytest
import torch
from fisher_reference import assert_equals_reference, randomise_norms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
