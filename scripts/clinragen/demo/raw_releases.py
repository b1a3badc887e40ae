"""The synthetic raw release of each dataset."""

from clinragen.demo.raw_mimic3 import Mimic3
from clinragen.demo.raw_mimic4 import Mimic4
from clinragen.demo.raw_release import Release

RELEASES: dict[str, Release] = {"mimic3": Mimic3(), "mimic4": Mimic4()}
