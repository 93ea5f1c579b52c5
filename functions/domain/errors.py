"""What can go wrong in Meshift's own terms; every message says what was found, where, and what would be right.

MeshiftError
├── Refused            what a person wrote or deployed makes no sense here: nothing was changed, a retry will not help
│   ├── InvalidTag     a tag of an ECS service
│   ├── InvalidPolicy  a rollout policy
│   ├── InvalidSetting a stack parameter
│   ├── InvalidEvent   an event that is none of ours, or not whole
│   ├── InvalidCard    the mesh card of another account
│   └── InvalidRequest what an operator asks for
├── NotFound           a resource that was named does not exist (any more)
├── Unanswered         AWS did not answer what may go unanswered
├── Untranslatable     a part of a mesh that Envoy's configuration has no words for
├── ClaimHeld          another rollout is at work on the same virtual service
├── NobodyThere        traffic would go to a node none of whose tasks can answer
└── Busy               a service of AWS asks for patience
"""


class MeshiftError(Exception):
    """Anything that Meshift foresaw."""


class Refused(MeshiftError):
    """The input makes no sense; nothing was changed and repeating it will not help."""


class InvalidTag(Refused):
    """A tag of an ECS service cannot be understood."""


class InvalidPolicy(Refused):
    """A rollout policy cannot be understood; the message names its field."""


class InvalidSetting(Refused):
    """A stack parameter (a function's environment variable) cannot be understood."""


class InvalidEvent(Refused):
    """An event lacks what its kind always carries."""


class InvalidCard(Refused):
    """What another account's mesh card says cannot be trusted."""


class InvalidRequest(Refused):
    """An operator's request cannot be understood; the message names its field."""


class NotFound(MeshiftError):
    """A resource that was named does not exist (any more)."""


class Unanswered(MeshiftError):
    """AWS did not answer what may go unanswered: the work goes on without."""


class Untranslatable(MeshiftError):
    """A part of a mesh cannot be said in Envoy's configuration; what is around it can."""


class ClaimHeld(MeshiftError):
    """Another rollout is at work on the same virtual service."""


class NobodyThere(MeshiftError):
    """Traffic would go to a node none of whose tasks can answer; it stays where it is."""


class Busy(MeshiftError):
    """A service of AWS asks for patience."""
