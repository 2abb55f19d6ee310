"""Commands that need the networks alone."""

from __future__ import annotations

from typing import Any

import click

from masksmith import console, options


@click.command()
@options.json_option
def models(as_json: bool) -> None:
    """List the networks with their sizes.

    Parameters and operations (two a multiply-add) are those of two classes at the network's own input size;
    the size in MB is that of 32-bit weights. All but the embedding segment.

    \b
    Example:
      masksmith models
      masksmith models --json
    """
    from trainers.models import EMBEDDINGS, MODELS, cost, outline

    rows: list[dict[str, Any]] = []
    sources = {name: entry.source for name, entry in MODELS.items()}
    sources |= {name: entry.source for name, entry in EMBEDDINGS.items()}
    for name, source in sources.items():
        network = outline(name)
        parameters, operations = cost(name)
        rows.append(
            {
                "name": name,
                "params": parameters,
                "mflops": round(operations / 1e6, 2),
                "size_mb": round(parameters * 4 / 1e6, 2),
                "inputs": list(network.inputs),
                "input_size": list(network.size),
                "source": source,
            }
        )
    if as_json:
        console.emit_json(rows)
        return
    console.table(
        "",
        ("model", "parameters", "MFLOPs", "MB", "inputs", "size", "source"),
        [
            (
                row["name"],
                f"{row['params']:,}",
                f"{row['mflops']:,.1f}",
                f"{row['size_mb']:.2f}",
                ", ".join(row["inputs"]),
                "x".join(map(str, row["input_size"])),
                row["source"],
            )
            for row in rows
        ],
    )
