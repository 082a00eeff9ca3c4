"""LangGraph: a line of five nodes that do nothing, kept by SqliteSaver after each of them."""

import argparse
import json
import time
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    number: int


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--path", required=True)
    parser.add_argument("--count", type=int, required=True)
    chosen = parser.parse_args()
    builder = StateGraph(State)
    names = [f"node{number}" for number in range(5)]
    for name in names:
        builder.add_node(name, lambda state: {"number": state["number"] + 1})
    for one, other in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(one, other)
    with SqliteSaver.from_conn_string(chosen.path) as saver:
        graph = builder.compile(checkpointer=saver)

        def run(thread: int) -> None:
            config = {"configurable": {"thread_id": str(thread)}}
            found = graph.invoke({"number": 0}, config, durability="sync")
            assert found["number"] == 5

        for number in range(10):
            run(-1 - number)
        busy, start = time.process_time(), time.perf_counter()
        for number in range(chosen.count):
            run(number)
        seconds = time.perf_counter() - start
    print(
        json.dumps(
            {
                "steps_per_s": 5 * chosen.count / seconds,
                "cpu_ms_per_step": (time.process_time() - busy) / chosen.count / 5 * 1e3,
            }
        )
    )


if __name__ == "__main__":
    main()
