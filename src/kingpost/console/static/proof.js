// Checks in the browser that a record is in the log: RFC 6962 paths, C2SP signed notes, Ed25519.
// It does what kingpost_verify.py does, of a proof that the server gives; the key that a browser
// saw first for a log is the one that it goes on believing.
(() => {
  "use strict";

  const text = new TextEncoder();
  const bytes = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  const join = (...parts) => new Uint8Array(parts.flatMap((part) => [...part]));
  const same = (a, b) => a.length === b.length && a.every((one, at) => one === b[at]);
  const number = (data, from, to) => data.slice(from, to).reduce((sum, one) => sum * 256 + one, 0);
  const hex = (data) => [...data].map((one) => one.toString(16).padStart(2, "0")).join("");
  const sha256 = async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  const node = (left, right) => sha256(join([1], left, right));

  class Refused extends Error {}

  // RFC 9162, section 2.1.3.2
  const isIncluded = async (leaf, index, size, path, root) => {
    let [fn, sn, found] = [index, size - 1, leaf];
    const halve = () => ([fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]);
    if (index >= size) return false;
    for (const hash of path) {
      if (sn === 0) return false;
      if (fn % 2 || fn === sn) {
        found = await node(hash, found);
        while (fn % 2 === 0 && fn) halve();
      } else {
        found = await node(found, hash);
      }
      halve();
    }
    return sn === 0 && same(found, root);
  };

  const parseProof = (whole) => {
    const [head, ...rest] = whole.split("\n\n");
    const lines = head.split("\n");
    if (lines[0] !== "c2sp.org/tlog-proof@v1") throw new Refused("it holds no tlog-proof");
    const at = lines[1].startsWith("extra ") ? 2 : 1;
    return {
      index: Number(lines[at].replace("index ", "")),
      path: lines.slice(at + 1).map(bytes),
      checkpoint: rest.join("\n\n"),
    };
  };

  const parseCheckpoint = (whole) => {
    const end = whole.indexOf("\n\n") + 1;
    const [origin, size, root] = whole.slice(0, end).split("\n");
    const signatures = whole
      .slice(end + 1)
      .split("\n")
      .filter((line) => line.startsWith("— "))
      .map((line) => line.split(" "))
      .map(([, name, base64]) => ({ name, data: bytes(base64) }));
    return { origin, size: Number(size), root: bytes(root), signed: whole.slice(0, end), signatures };
  };

  const parseKey = async (line) => {
    const [name, id, base64] = line.split("+");
    const key = bytes(line.slice(name.length + id.length + 2));
    const digest = await sha256(join(text.encode(`${name}\n`), key));
    if (!base64 || key[0] !== 1 || hex(digest.slice(0, 4)) !== id) return null;
    return { name, id: digest.slice(0, 4), raw: key.slice(1), line };
  };

  const signerOf = async (checkpoint, lines) => {
    for (const key of await Promise.all(lines.map(parseKey))) {
      if (key === null) continue;
      const raw = await crypto.subtle.importKey("raw", key.raw, "Ed25519", false, ["verify"]);
      for (const one of checkpoint.signatures) {
        if (one.name !== key.name || !same(one.data.slice(0, 4), key.id)) continue;
        const data = text.encode(checkpoint.signed);
        if (await crypto.subtle.verify("Ed25519", raw, one.data.slice(4), data)) return key;
        throw new Refused("the signature of the checkpoint is none");
      }
    }
    throw new Refused("no key that came along has signed the checkpoint");
  };

  const commitmentsOf = (leaf) => {
    if (leaf[0] !== 1) throw new Refused("a leaf of another format");
    const commitments = [];
    let at = 27 + leaf[26];
    if (leaf[1] === 1) return { folded: leaf.slice(at), count: number(leaf, 22, 26) };
    while (at < leaf.length) {
      const end = at + 38 + number(leaf, at, at + 2);
      commitments.push(leaf.slice(at, end));
      at = end;
    }
    return { commitments, count: number(leaf, 22, 26) };
  };

  const commitmentOf = async (entry) => {
    const kind = text.encode(entry.kind);
    const labels = text.encode([entry.kind, entry.tenant, entry.topic].join("\0"));
    const length = [labels.length & 255, labels.length >> 8];
    const digest = await sha256(join(bytes(entry.nonce), length, labels, bytes(entry.body)));
    const count = [24, 16, 8, 0].map((shift) => (entry.count >>> shift) & 255);
    return join([kind.length >> 8, kind.length & 255], count, kind, digest);
  };

  const idOf = (entry) => {
    const body = bytes(entry.body);
    const at = { 0xdc: 3, 0xdd: 5 }[body[0]] || 1;
    return hex(body.slice(at, at + 24));
  };

  const check = async (proof, record) => {
    if (proof.format !== "kingpost-proof/1") throw new Refused("it is of another format");
    const { index, path, checkpoint: whole } = parseProof(proof.proof);
    const checkpoint = parseCheckpoint(whole);
    const key = await signerOf(checkpoint, proof.keys);
    const leaf = bytes(proof.leaf);
    const hash = await sha256(join([0], leaf));
    if (!(await isIncluded(hash, index, checkpoint.size, path, checkpoint.root)))
      throw new Refused(`leaf ${index} is not in the tree that was signed`);
    const held = commitmentsOf(leaf);
    if (!proof.entries.length) throw new Refused("it shows no entry");
    for (const entry of proof.entries) {
      const commitment = await commitmentOf(entry);
      const isCommitted = held.commitments
        ? held.commitments.length > entry.number && same(held.commitments[entry.number], commitment)
        : await isIncluded(
            await sha256(join([0], commitment)), entry.number, held.count, entry.inner.map(bytes), held.folded,
          );
      if (!isCommitted) throw new Refused(`entry ${entry.number} is not the one that the leaf commits to`);
      if (!idOf(entry).includes(`c410${record.replaceAll("-", "")}`))
        throw new Refused("the entry is another record's");
    }
    return { index, checkpoint, key };
  };

  // the first key that was seen for a log is believed from then on
  const known = (checkpoint, key) => {
    const name = `kingpost-log-key:${checkpoint.origin}`;
    const before = localStorage.getItem(name);
    if (before === null) localStorage.setItem(name, key.line);
    return before === null ? "new" : before === key.line ? "same" : "other";
  };
  const SAID = {
    new: "This browser sees the key for the first time, and will notice another one: compare it with the one you were given.",
    same: "It is the key that this browser has seen before.",
    other:
      "This browser has seen another key for this log. If it was not rotated, do not believe this proof: check it with kingpost verify and the key you were given.",
  };

  const run = async (panel) => {
    const said = panel.querySelector("[role=status]");
    const tell = (kind, line) => {
      said.className = `notice ${kind}`;
      said.textContent = line;
    };
    try {
      if (!globalThis.crypto?.subtle) throw new Refused("browsers check signatures over HTTPS or on this machine only");
      const answer = await fetch(panel.dataset.proof, { headers: { accept: "application/json" } });
      const told = await answer.json();
      if (!answer.ok) throw new Refused(told.detail || `the server answers ${answer.status}`);
      const { index, checkpoint, key } = await check(told, panel.dataset.record);
      const trust = known(checkpoint, key);
      const shown = panel.querySelector("[data-key]");
      shown.textContent = key.line;
      shown.hidden = false;
      tell(
        trust === "other" ? "bad" : "ok",
        `Proved here: leaf ${index} of ${checkpoint.size} in ${checkpoint.origin}. ${SAID[trust]}`,
      );
    } catch (error) {
      const reason = error instanceof Refused ? error.message : `it cannot be checked (${error.message || error.name})`;
      tell("bad", `Not proved: ${reason}.`);
    }
  };

  // a log that a browser saw once may grow, but not shrink or be another at the same size
  const seenBefore = ({ origin, size, root }) => {
    const name = `kingpost-log-seen:${origin}`;
    const before = JSON.parse(localStorage.getItem(name) || "null");
    if (before && before.size > size) return `this browser has seen ${before.size} leaves of this log`;
    if (before && before.size === size && before.root !== hex(root)) return "this browser has seen another log of this size";
    localStorage.setItem(name, JSON.stringify({ size, root: hex(root) }));
    return "";
  };

  const checkNewest = async (panel) => {
    const said = panel.querySelector("[role=status]");
    const tell = (kind, line) => {
      said.className = `notice field ${kind}`;
      said.textContent = line;
    };
    try {
      if (!globalThis.crypto?.subtle) throw new Refused("browsers check signatures over HTTPS or on this machine only");
      const checkpoint = parseCheckpoint(panel.querySelector("[data-note]").textContent);
      const key = await signerOf(checkpoint, panel.querySelector("[data-keys]").textContent.trim().split("\n"));
      const problem = seenBefore(checkpoint);
      if (problem) throw new Refused(problem);
      const trust = known(checkpoint, key);
      tell(trust === "other" ? "bad" : "ok", `Signed, checked here: ${checkpoint.size} leaves. ${SAID[trust]}`);
    } catch (error) {
      const reason = error instanceof Refused ? error.message : `it cannot be checked (${error.message || error.name})`;
      tell("bad", `Not to be believed: ${reason}.`);
    }
  };
  document.querySelectorAll("[data-checkpoint]").forEach(checkNewest);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-proof] button");
    if (button) run(button.closest("[data-proof]"));
  });
})();
