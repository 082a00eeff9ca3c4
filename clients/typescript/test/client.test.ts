/** Against a real server, whose URL and key are in the environment, and against scripted ones. */

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { test } from "node:test";

import { ApiError, Client, NoAnswer } from "../src/index.js";

const url = process.env["KINGPOST_URL"];
const key = process.env["KINGPOST_API_KEY"];
assert.ok(url && key, "set KINGPOST_URL and KINGPOST_API_KEY to a server of the tests");
const client = new Client({ url, key });

interface Verdict {
  fraud: boolean;
  score: number;
}

const run = String(Date.now());

function payment(id: string, amount: number): Record<string, unknown> {
  return { id: `${run}-${id}`, at: "2018-08-01T12:00:00Z", card: "c1", shop: "s1", amount };
}

type Handler = (request: IncomingMessage, response: ServerResponse, turn: number) => void;

async function scripted<T>(handler: Handler, scene: (url: string) => Promise<T>): Promise<T> {
  let turn = 0;
  const server = createServer((request, response) => handler(request, response, turn++));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await scene(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a decision is answered once, and its record can be read", async () => {
  const answer = await client.decide<Verdict>("fraud", payment("d1", 900), { session: "s-1" });
  const again = await client.decide<Verdict>("fraud", payment("d1", 900));
  const record = await client.record(answer.id);

  assert.equal(answer.outcome, "decided");
  assert.equal(answer.answer?.fraud, true);
  assert.deepEqual([again.id, again.isReplayed, answer.isReplayed], [answer.id, true, false]);
  assert.deepEqual([record.event.key, record.session], [`${run}-d1`, "s-1"]);
});

test("events are sent, corrected and retracted", async () => {
  const ingested = await client.ingest("payment", [payment("e1", 1), payment("e1", 1), { id: "x" }]);

  assert.deepEqual([ingested.accepted, ingested.duplicates], [1, 1]);
  assert.equal(ingested.rejected[0]?.code, "contract_violation");
  assert.equal((await client.correct("payment", `${run}-e1`, payment("e1", 2))).status, "corrected");
  assert.equal((await client.retract("payment", `${run}-e1`)).status, "retracted");
  assert.equal((await client.retract("payment", `${run} a/b?#`)).status, "held");
});

test("what runs is listed, and the server is ready", async () => {
  assert.deepEqual((await client.decisions()).map((one) => one.name), ["fraud"]);
  assert.equal(await client.isReady(), true);
});

test("a refusal is an error with the server's code and never shows the key", async () => {
  await assert.rejects(client.decide("fraud", { id: "p" }), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.code, error.status], ["contract_violation", 422]);
    assert.ok(!inspect(error, { depth: 9 }).includes(key));
    return true;
  });
  assert.ok(!inspect(client, { depth: 9, showHidden: true }).includes(key));
});

test("a decision is sent again under its key, over 503, rubbish and broken connections", async () => {
  const keys = new Set<string | string[] | undefined>();
  const answer = await scripted((request, response, turn) => {
    keys.add(request.headers["idempotency-key"]);
    if (turn === 0) request.socket.destroy();
    else if (turn === 1) response.writeHead(503).end('{"code":"overloaded","status":503}');
    else if (turn === 2) response.writeHead(502).end("<html>");
    else response.end('{"id":"r","answer":null}');
  }, (at) => new Client({ url: at, key }).decide("fraud", {}));

  assert.equal(answer.id, "r");
  assert.equal(keys.size, 1);
});

test("Retry-After is not undercut, and a wait beyond the deadline is not begun", async () => {
  const started = Date.now();
  await scripted((_, response, turn) => {
    if (turn === 0) response.writeHead(429, { "retry-after": "1" }).end("{}");
    else response.end('{"id":"r"}');
  }, (at) => new Client({ url: at }).decide("fraud", {}));
  assert.ok(Date.now() - started >= 1000);

  let asked = 0;
  await assert.rejects(scripted((_, response) => {
    asked++;
    response.writeHead(503, { "retry-after": "60" }).end('{"code":"journal_full"}');
  }, (at) => new Client({ url: at }).decide("fraud", {})), { code: "journal_full", retryAfterS: 60 });
  assert.equal(asked, 1);
});

test("what could be done twice is never sent again", async () => {
  let asked = 0;
  await assert.rejects(scripted((request) => {
    asked++;
    request.socket.destroy();
  }, (at) => new Client({ url: at }).actOnTask("t", "claim")), (error: unknown) => {
    assert.ok(error instanceof NoAnswer);
    return error.mayBeDone;
  });
  assert.equal(asked, 1);
});

test("an attempt that takes too long is given up, and a caller may give up sooner", async () => {
  await assert.rejects(
    scripted(() => {}, (at) => new Client({ url: at, deadlineMs: 200 }).record("r")), NoAnswer,
  );
  await assert.rejects(
    scripted(() => {}, (at) =>
      new Client({ url: at }).decide("fraud", {}, { signal: AbortSignal.timeout(50) })),
    { name: "TimeoutError" },
  );
});
