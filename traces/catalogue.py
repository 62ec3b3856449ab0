"""Public traces: where their publishers keep them, under which licence, and what their bytes must be.

Git blob ids are the publisher's own: from the trees of github.com/Azure/AzurePublicDataset, kvcache-ai/Mooncake and
HPMLL/BurstGPT at the commits that the addresses name. Those of 2023 are also checked by SHA-256, of copies at hand.
For files without either, what came the first time is recorded and held to.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.errors import TraceError, choices

AZURE = "https://raw.githubusercontent.com/Azure/AzurePublicDataset/b469a113cedca53ddc3bdea71a143dc4b7d8700c/data"
AZURE_BLOBS = "https://azurepublicdatasettraces.blob.core.windows.net/azurellminfererencetrace"
MOONCAKE = (
    "https://raw.githubusercontent.com/kvcache-ai/Mooncake/3b5a594133958449a1feaf1c9e0fc1b553e34a28/FAST25-release"
)
BURSTGPT = "https://raw.githubusercontent.com/HPMLL/BurstGPT/e92f533b6c85ea7f4164fb3d97d1aa2c3edacbc8/data"
BURSTGPT_RELEASES = "https://github.com/HPMLL/BurstGPT/releases/download"
CC_BY = "CC-BY 4.0"
SPLITWISE = "Patel et al., Splitwise, ISCA 2024"
DYNAMOLLM = "Stojkovic et al., DynamoLLM, HPCA 2025"
MODSERVE = "Qiu et al., ModServe, SoCC 2025"
MOONCAKE_PAPER = "Qin et al., Mooncake, FAST 2025"
BURSTGPT_PAPER = "Wang et al., BurstGPT, KDD 2025"


@dataclass(frozen=True, slots=True)
class Published:
    """A file at its publisher's. `size_bytes`, `sha256` and `git_blob` (SHA-1, as git counts) where they are known."""

    name: str
    url: str
    what: str
    licence: str
    cite: str
    size_bytes: int | None = None
    sha256: str | None = None
    git_blob: str | None = None

    @property
    def filename(self) -> str:
        """As the publisher calls it."""
        return self.url.rsplit("/", 1)[1]


CATALOGUE = (
    Published(
        "azure2023-code",
        f"{AZURE}/AzureLLMInferenceTrace_code.csv",
        "8,819 requests of code completion",
        CC_BY,
        SPLITWISE,
        320_117,
        "54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6",
        "62bd8109d0f2b1bc48206d397ecca48d8de03aab",
    ),
    Published(
        "azure2023-conv",
        f"{AZURE}/AzureLLMInferenceTrace_conv.csv",
        "19,366 requests of conversation",
        CC_BY,
        SPLITWISE,
        719_188,
        "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8",
        "5b9219f2caf93bbbf95ec29894e206115658e235",
    ),
    Published(
        "azure2024-code",
        f"{AZURE_BLOBS}/AzureLLMInferenceTrace_code_1week.csv",
        "16.8 million requests, a week",
        CC_BY,
        DYNAMOLLM,
    ),
    Published(
        "azure2024-conv",
        f"{AZURE_BLOBS}/AzureLLMInferenceTrace_conv_1week.csv",
        "27.3 million requests, a week",
        CC_BY,
        DYNAMOLLM,
    ),
    Published(
        "azure2025-multimodal",
        f"{AZURE}/AzureLMMInferenceTrace_multimodal.csv.gz",
        "1 million requests with images, a week",
        CC_BY,
        MODSERVE,
        git_blob="7e2a6719ff42dc50b990ba55ca941ab75290ffcb",
    ),
    Published(
        "mooncake-conversation",
        f"{MOONCAKE}/traces/conversation_trace.jsonl",
        "12,031 requests, an hour",
        "Apache 2.0",
        MOONCAKE_PAPER,
        3_029_533,
        git_blob="5a371794b81d7fc7487ec8a02a2c631bcc7fbdf8",
    ),
    Published(
        "mooncake-toolagent",
        f"{MOONCAKE}/traces/toolagent_trace.jsonl",
        "23,608 requests, an hour",
        "Apache 2.0",
        MOONCAKE_PAPER,
        git_blob="b765599d1e0828b37f68d481563c385d3c11de54",
    ),
    Published(
        "mooncake-synthetic",
        f"{MOONCAKE}/traces/synthetic_trace.jsonl",
        "3,993 requests, Poisson",
        "Apache 2.0",
        MOONCAKE_PAPER,
        1_136_313,
        git_blob="e4838049c0dcfc358a5f24ab08251279475cba94",
    ),
    Published(
        "mooncake-arxiv",
        f"{MOONCAKE}/arxiv-trace/mooncake_trace.jsonl",
        "the older release",
        "Apache 2.0",
        MOONCAKE_PAPER,
        git_blob="d68d1c6ce27b35a168edc235d36d0202d233f0f2",
    ),
    Published(
        "burstgpt-1",
        f"{BURSTGPT}/BurstGPT_1.csv",
        "1.4 million requests, two months",
        CC_BY,
        BURSTGPT_PAPER,
        git_blob="f95dd2c84454b067fdd0973858c55ecfe31bdad7",
    ),
    Published(
        "burstgpt-2",
        f"{BURSTGPT_RELEASES}/v1.1/BurstGPT_2.csv",
        "3.9 million requests, two months",
        CC_BY,
        BURSTGPT_PAPER,
    ),
    Published(
        "burstgpt-3",
        f"{BURSTGPT_RELEASES}/v2.0/BurstGPT_3.csv",
        "5.3 million requests with sessions, 110 days",
        CC_BY,
        BURSTGPT_PAPER,
    ),
)


def published(name: str) -> Published:
    """The file called `name`. TraceError, with the nearest name, if there is none."""
    for file in CATALOGUE:
        if file.name == name:
            return file
    names = [file.name for file in CATALOGUE]
    raise TraceError(f"unknown public trace {name!r}{choices(name, names)}")
