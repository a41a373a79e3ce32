"""What Kubernetes takes as names, labels and quantities; it refuses others only as it makes a pod of a run under way.

Source: apimachinery's pkg/util/validation and pkg/api/resource, and pkg/apis/core/validation of Kubernetes itself;
names of images as github.com/distribution/reference has them.
"""

import re
from typing import Annotated

from components.system.limits import Range
from pipeline.checking import like_parameter, matches

PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
PARTS = rf"{PART}(\.{PART})*"
WORD = r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
SUBDOMAIN = rf"(?=.{{1,253}}\Z){PARTS}"
PREFIX = rf"(?=[^/]{{1,253}}/){PARTS}/"

VOLUME_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
VARIABLE = r"[A-Za-z_]\w*"
KEY = r"(?!\.\.|\.\Z)[-.\w]{1,253}"  # of a secret
RESOURCE = PREFIX + WORD
HOST = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
STEP_OF_PATH = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"
IMAGE = rf"({HOST}(\.{HOST})*(:[0-9]+)?/)?{STEP_OF_PATH}(/{STEP_OF_PATH})*(:\w[-\w.]{{0,127}})?"
FOLDER = r"/[^\n:]*"

OBJECT = "that of an object in Kubernetes: small letters and digits, with - and . between, 253 at most"
VOLUME = "that of a volume in Kubernetes: small letters and digits, with - between, 63 at most"
LABEL = "that of a label: letters and digits, with -, _ and . between, 63 at most, or PREFIX/ and such a name"
LABEL_VALUE = "a label's value: letters and digits, with -, _ and . between, 63 at most, or empty"
QUANTITY = "bytes, such as 8Gi: a whole number, more than 0, of bytes or of Ki, Mi, Gi, Ti, Pi, Ei, M, G, T, P or E"
AMOUNT = Range("from 0.001 to 10000", lambda value: 0.001 <= value <= 10_000)

Variable = Annotated[str, matches("the name of a variable: letters, digits and _", VARIABLE)]
ObjectName = Annotated[str, matches(OBJECT, SUBDOMAIN)]
VolumeName = Annotated[str, matches(VOLUME, VOLUME_NAME)]
LabelName = Annotated[str, matches(LABEL, f"({PREFIX})?{WORD}")]
TaintName = Annotated[str, matches(f"empty, or {LABEL}", f"(({PREFIX})?{WORD})?")]
LabelValue = Annotated[str, matches(LABEL_VALUE, f"({WORD})?")]
Folder = Annotated[str, matches("an absolute path, without a colon", FOLDER)]
Quantity = Annotated[str, matches(QUANTITY, r"[1-9][0-9]*([EPTGM]i?|Ki)?")]  # K is kfp's alone, k Kubernetes' alone
Amount = Annotated[float, like_parameter(Annotated[float, AMOUNT])]  # of cores, of hours


def pipeline_name(recipe: str) -> str:
    """Return `graft-` and a recipe's name in small letters, with - for _ and for several -, and none at the end."""
    return re.sub("-+", "-", f"graft-{recipe}".replace("_", "-").lower()).strip("-")
