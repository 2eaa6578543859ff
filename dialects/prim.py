"""The `prim` dialect: workflows as the primitives of Teola (arXiv 2407.00326, table 2).

Values are the only ordering, beside what an op says it comes `after`. There is no control flow: ops
that belong to one case of a condition run under its guard. Decoding is sampling, so equal decodes
are two draws; ingestion writes.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from flowir.dialects.prim_graph import GraphOp, ReturnOp
from flowir.dialects.prim_ops import (
    AggregateOp,
    ConditionOp,
    EmbeddingOp,
    IngestionOp,
    ItemOp,
    PrimitiveOp,
    RerankingOp,
    SearchingOp,
    ToolOp,
)
from flowir.dialects.prim_prompts import (
    DecodeOp,
    DecodingOp,
    FullPrefillingOp,
    PartialDecodingOp,
    PartialPrefillingOp,
    PrefillingOp,
    PrefillOp,
)
from flowir.dialects.prim_traits import Batchable, Splittable, Streams
from flowir.dialects.prim_types import (
    ChunksType,
    DocumentsType,
    EmbeddingsType,
    Gathering,
    GatheringAttr,
    GuardType,
    IndexType,
    KvType,
    PartAttr,
    PieceAttr,
    SizeAttr,
    StreamType,
    Test,
    TestAttr,
    WorkAttr,
)

__all__ = [
    "AggregateOp",
    "Batchable",
    "ChunksType",
    "ConditionOp",
    "DecodeOp",
    "DecodingOp",
    "DocumentsType",
    "EmbeddingOp",
    "EmbeddingsType",
    "FullPrefillingOp",
    "Gathering",
    "GatheringAttr",
    "GraphOp",
    "GuardType",
    "IndexType",
    "IngestionOp",
    "ItemOp",
    "KvType",
    "PartAttr",
    "PartialDecodingOp",
    "PartialPrefillingOp",
    "PieceAttr",
    "PrefillOp",
    "PrefillingOp",
    "PrimDialect",
    "PrimitiveOp",
    "RerankingOp",
    "ReturnOp",
    "SearchingOp",
    "SizeAttr",
    "Splittable",
    "StreamType",
    "Streams",
    "Test",
    "TestAttr",
    "ToolOp",
    "WorkAttr",
]

PrimDialect = Dialect(
    "prim",
    [
        AggregateOp,
        ConditionOp,
        DecodingOp,
        EmbeddingOp,
        FullPrefillingOp,
        GraphOp,
        IngestionOp,
        ItemOp,
        PartialDecodingOp,
        PartialPrefillingOp,
        PrefillingOp,
        RerankingOp,
        ReturnOp,
        SearchingOp,
        ToolOp,
    ],
    [
        ChunksType,
        DocumentsType,
        EmbeddingsType,
        GatheringAttr,
        GuardType,
        IndexType,
        KvType,
        PartAttr,
        PieceAttr,
        SizeAttr,
        StreamType,
        TestAttr,
        WorkAttr,
    ],
)
