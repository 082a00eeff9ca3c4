"""The documents of the control journal: model versions, bundles, approvals, features.

The rule: a document is written once and never changed; a later one says what is newer.
Each carries a format; one of a format unknown here is refused, not guessed at. What a
bundle says is left to `decisions`: here it is bytes under their digest.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec

__all__ = [
    "Approval",
    "BatchRun",
    "BundleEvaluation",
    "DataVersion",
    "Environment",
    "ExportRun",
    "FeatureDefinition",
    "ModelArtefacts",
    "ModelDraft",
    "ModelVersion",
    "RegisteredBundle",
    "RegisteredFeatures",
    "Removal",
    "RetentionRun",
    "TrainingRecipe",
]

Setting = str | int | float | bool | None
Filled = Annotated[str, msgspec.Meta(min_length=1)]


class ModelArtefacts(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of what training made.

    Attributes:
        native: The model in its library's own format; empty where it has none.
        card: The model card in Markdown.
        card_html: The same with plots, an HTML fragment; empty in versions made before it.
        profile: The training reference of monitors and explanations, in JSON; empty too.
    """

    onnx: Filled
    native: str
    card: Filled
    card_html: str = ""
    profile: str = ""


class DataVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Which data a model was trained on.

    Attributes:
        position: How far the journal was read.
        known_until_us: Labels known later were left out; None when none were.
        rows: Labelled requests.
        digest: SHA-256 over their keys, positions, labels and features.
    """

    position: str
    tenant: str
    known_until_us: int | None
    rows: int
    digest: Filled


class TrainingRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a model was trained, as far as its declaration and its data do not say.

    Attributes:
        train_from_us, train_until_us: It learned from requests of this time whose labels were
            known by its end; None is from the beginning.
        test_from_us, test_to_us: It was judged on requests of this time.
        entity: Field of the request that says whom it is about; empty for none.
        missed_cost, false_alarm_cost: What the threshold went by; None for none.
    """

    train_from_us: int | None
    train_until_us: int
    test_from_us: int
    test_to_us: int
    entity: str = ""
    missed_cost: float | str | None = None
    false_alarm_cost: float | None = None


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where something was computed: the interpreter, the machine, every distribution."""

    python: str
    platform: str
    packages: Mapping[str, str]


class ModelDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A model version before the registry has given it its number.

    Attributes:
        features: Digest of the feature set.
        code: Digest of the application's source.
        threshold: The score from which the answer is positive.
        recipe: How it was trained; None in versions made before it, and of what was not
            trained here.
    """

    name: Filled
    artefacts: ModelArtefacts
    data: DataVersion
    features: Filled
    code: Filled
    environment: Environment
    seed: int | None
    threshold: float
    parameters: Mapping[str, Setting]
    metrics: Mapping[str, float]
    by: Filled
    recipe: TrainingRecipe | None = None


class ModelVersion(ModelDraft, frozen=True, kw_only=True):
    """A registered model: what it is, what made it, how good it was.

    Attributes:
        number: 1 for the first version of the name, then counting.
    """

    format: Literal[1]
    number: int
    registered_at_us: int


class RegisteredBundle(NamedTuple):
    """A bundle's document under its digest.

    Attributes:
        offset: Where the control journal holds it.
    """

    digest: str
    document: bytes
    offset: int


class FeatureDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a feature: what its value depends on, under the digest of that."""

    name: Filled
    version: Filled
    definition: Mapping[str, object]


class RegisteredFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """The features of a decision as they were when a bundle was made.

    Attributes:
        digest: Of the feature set, as model versions and bundles name it.
        features: In the order in which the model takes them.
    """

    format: Literal[1]
    decision: Filled
    digest: Filled
    features: tuple[FeatureDefinition, ...]
    at_us: int


class BundleEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the evaluation gates of a bundle.

    Attributes:
        results: Digest of the artefact with all numbers.
        card: Digest of the model card that was made from them, and names them, in Markdown.
        card_html: The same with plots, an HTML fragment; empty where there is none.
        not_passed: A sentence for each gate that was not passed.
        accepts_undecided: Whether the decision takes an undecided gate for enough.
        champion: The bundle compared with; empty where none ran.
    """

    format: Literal[1]
    decision: Filled
    bundle: Filled
    results: Filled
    card: Filled
    card_html: str
    verdict: Literal["passed", "failed", "undecided"]
    not_passed: tuple[str, ...]
    accepts_undecided: bool
    champion: str
    by: Filled
    at_us: int

    @property
    def may_run(self) -> bool:
        """Whether the bundle may be approved by it."""
        return self.verdict == "passed" or (self.verdict == "undecided" and self.accepts_undecided)


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Someone's word that a bundle may run.

    Attributes:
        number: Of one that is signed (format 2): above that of all that counted before.
        signature: Ed25519, base64; see `Approvers`.
        results: Of a bundle with evaluation gates: what came of them, by digest; empty where
            they were not evaluated.
        override: Why it may run although its gates were not passed; empty where they were.
    """

    format: Literal[1, 2]
    decision: Filled
    bundle: Filled
    by: Filled
    reason: Filled
    at_us: int
    number: int = 0
    signature: str = ""
    results: str = ""
    override: str = ""


class BatchRun(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of requests that was scored: what by, over what, and what came out.

    Attributes:
        id: Names the batch; UUIDv7.
        state: `begun` before the first score is written, `finished` after the last.
        bundle: Digest of the approved bundle that scored.
        position: How far the journal was read.
        files, inputs: How many files of requests, and a digest over theirs.
        rows, refused, output: When it has finished: rows scored, rows that broke the
            contract, and a digest over the files written.
    """

    format: Literal[1]
    id: Filled
    state: Literal["begun", "finished"]
    decision: Filled
    tenant: str
    bundle: Filled
    position: str
    files: int
    inputs: Filled
    rows: int | None = None
    refused: int | None = None
    output: str = ""
    by: Filled
    at_us: int


class ExportRun(msgspec.Struct, frozen=True, kw_only=True):
    """Records that were exported for an auditor: who did, what was asked for, what came out.

    Attributes:
        partition: The journal that was read, and up to which offset (`stop`).
        selection: What the records met; a subject only as a keyed digest.
        personal: Whether personal content was left encrypted or opened.
        manifest: Digest of the manifest, which has those of all files.
        proofs: How many records were proved.
    """

    format: Literal[1]
    partition: Filled
    stop: int
    selection: Mapping[str, str | int | None]
    personal: Literal["encrypted", "clear"]
    records: int
    reviews: int
    erasures: int
    proofs: int
    manifest: Filled
    by: Filled
    at_us: int


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Offsets of a partition that were taken out: from the first to before the end."""

    first: int
    end: int


class RetentionRun(msgspec.Struct, frozen=True, kw_only=True):
    """What was over its time and is removed: noted before anything is.

    Attributes:
        policy: What the settings asked for.
        commits: How many commits the removals are.
        entries: How many entries of each kind were in them.
    """

    format: Literal[1]
    partition: Filled
    policy: str
    removals: tuple[Removal, ...]
    commits: int
    entries: Mapping[str, int]
    by: Filled
    at_us: int
