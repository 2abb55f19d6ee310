"""``dataset.json`` as a Croissant 1.0 document (JSON-LD), with our own keys beside Croissant's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.record import SCHEMA

if TYPE_CHECKING:
    from manifests.manifest import Info

# the context that the Croissant 1.0 specification prescribes, by its terms
_TERMS = (
    "citeAs", "column", "dataType", "equivalentProperty", "examples", "extract", "field", "fileProperty", "fileObject",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet",
    "references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_TYPES = {"string": "sc:Text", "int32": "sc:Integer"}


def document(info: Info, sha256_records: str) -> dict[str, Any]:
    """The JSON-LD document of a dataset whose ``records.parquet`` has the given digest."""
    context: dict[str, Any] = {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        **{term: f"cr:{term}" for term in _TERMS},
    }
    context["dataType"] = {"@id": "cr:dataType", "@type": "@vocab"}
    context["examples"] = {"@id": "cr:examples", "@type": "@json"}
    return {
        "@context": context,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": " AND ".join(info.licence),
        "citeAs": info.citation,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "records.parquet",
                "name": "records.parquet",
                "contentUrl": "records.parquet",
                "encodingFormat": "application/x-parquet",
                "sha256": sha256_records,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "records",
                "name": "records",
                "key": {"@id": "records/id"},
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"records/{each.name}",
                        "name": each.name,
                        "dataType": _TYPES.get(str(each.type), "sc:Text"),
                        "source": {"fileObject": {"@id": "records.parquet"}, "extract": {"column": each.name}},
                        **({"repeated": True} if pa.types.is_list(each.type) else {}),
                    }
                    for each in SCHEMA
                    if not pa.types.is_map(each.type)  # Croissant has no word for a map
                ],
            }
        ],
        **info.as_json(),
    }
