"""What a component is: a frozen, keyword-only config class that knows its fields and builds the real thing.

Torch is imported only inside `build`, so that listing and checking components never load it.
"""

# Names with "as" are for the core alone, and not public.
from toonforge.components.fields import APART as APART
from toonforge.components.fields import Count, FieldInfo, changed, component, fields_of, param
from toonforge.components.fields import default_of as default_of
from toonforge.components.fields import deprecation_of as deprecation_of
from toonforge.components.kinds import KINDS as KINDS
from toonforge.components.kinds import (
    Component,
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Metric,
    NetworkComponent,
    Op,
    Optimizer,
    OtherNetwork,
    Schedule,
    Shape,
)
from toonforge.components.kinds import expressions as expressions
from toonforge.components.kinds import network_names as network_names
from toonforge.components.protocols import (
    BuiltMetric,
    DrawsAlone,
    DrawsPicture,
    ImageSource,
    Keeps,
    KnowsProtocol,
    Locates,
    Narrows,
)

__all__ = [
    "Component",
    "NetworkComponent",
    "Generator",
    "Discriminator",
    "OtherNetwork",
    "Loss",
    "Op",
    "Dataset",
    "ImageSource",
    "Locates",
    "Narrows",
    "DrawsAlone",
    "Metric",
    "BuiltMetric",
    "DrawsPicture",
    "Keeps",
    "KnowsProtocol",
    "Optimizer",
    "Schedule",
    "Shape",
    "Count",
    "component",
    "param",
    "changed",
    "fields_of",
    "FieldInfo",
]
