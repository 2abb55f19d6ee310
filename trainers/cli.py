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
    the size in MB is that of 32-bit weights.

    \b
    Example:
      masksmith models
      masksmith models --json
    """
    from trainers.models import MODELS, build, count_flops, count_parameters

    rows: list[dict[str, Any]] = []
    for name, entry in MODELS.items():
        network = build(name)
        parameters = count_parameters(network)
        rows.append(
            {
                "name": name,
                "params": parameters,
                "mflops": round(count_flops(network) / 1e6, 2),
                "size_mb": round(parameters * 4 / 1e6, 2),
                "inputs": list(network.inputs),
                "input_size": list(network.size),
                "source": entry.source,
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
