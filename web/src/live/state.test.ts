// @vitest-environment node
import { describe, expect, it } from "vitest"

import type { Json, RunEvent } from "./events"
import { apply, begin, EMPTY, keyOf, MAX_TEXT, nodeUsage } from "./state"

const AT = "2026-01-01T00:00:00.000Z"
let seq = 0
const event = (type: string, more: Partial<RunEvent> = {}): RunEvent => ({
  type,
  execution_id: "e",
  workflow_id: "w",
  at: AT,
  seq: ++seq,
  ...more,
})
const live = (type: string, more: Partial<RunEvent> = {}): RunEvent => {
  const told = event(type, more)
  delete told.seq
  return told
}
const SHOWN: Json = {
  status: "queued",
  queue: { reason: "concurrency", position: 3, since: AT },
  usage: {},
  nodes: [
    { id: "start", type: "start", status: "pending" },
    { id: "llm", type: "llm", status: "pending" },
    { id: "no", type: "output", status: "pending" },
  ],
}
const node = (run: ReturnType<typeof apply>, id: string, path = "") => {
  const found = run.nodes.get(keyOf(id, path))
  if (found === undefined) throw new Error(`no node ${id}`)
  return found
}

describe("apply", () => {
  it("follows a run from its queue to its end", () => {
    let run = begin(SHOWN)
    expect(run.waits).toEqual({ reason: "concurrency", position: 3, until: null })
    run = apply(run, [
      event("execution.started"),
      event("node.started", { node_id: "llm", data: { type: "llm", name: "Ask" }, attempt: 1 }),
      live("llm.token", { node_id: "llm", data: { text: "Hel" } }),
      live("llm.token", { node_id: "llm", data: { text: "lo" } }),
    ])
    expect(run.status).toBe("running")
    expect(run.waits).toBeNull()
    expect(node(run, "llm")).toMatchObject({ status: "running", text: "Hello", attempt: 1 })

    run = apply(run, [
      event("node.succeeded", {
        node_id: "llm",
        at: "2026-01-01T00:00:02.000Z",
        data: {
          output: "Hello",
          handles: ["default"],
          meta: { attempt: 2, usage: { prompt_tokens: 3, completion_tokens: 4, cost_usd: 0.01 } },
        },
      }),
      event("node.skipped", { node_id: "no", data: { reason: "branch_not_taken" } }),
      event("execution.succeeded", { data: { output: "Hello", usage: { cost_usd: 0.01 } } }),
    ])
    const llm = node(run, "llm")
    expect(llm).toMatchObject({ status: "succeeded", output: "Hello", attempt: 2 })
    expect((llm.finishedAt ?? 0) - (llm.startedAt ?? 0)).toBe(2000)
    expect(nodeUsage(llm)).toEqual({ prompt_tokens: 3, completion_tokens: 4, cost_usd: 0.01 })
    expect(node(run, "no").reason).toBe("branch_not_taken")
    expect(run).toMatchObject({ status: "succeeded", output: "Hello", usage: { cost_usd: 0.01 } })
  })

  it("keeps every node that nothing happened to as the same object", () => {
    const before = begin(SHOWN)
    const after = apply(before, [event("node.started", { node_id: "llm" })])
    expect(after.nodes.get("start")).toBe(before.nodes.get("start"))
    expect(after.nodes.get("llm")).not.toBe(before.nodes.get("llm"))
    expect(before.nodes.get("llm")?.status).toBe("pending")
  })

  it("tells of attempts that failed, and begins their text anew", () => {
    const error = { code: "rate_limited", message: "too many" }
    const run = apply(begin(SHOWN), [
      event("node.started", { node_id: "llm" }),
      live("llm.token", { node_id: "llm", data: { text: "half" } }),
      live("node.retrying", {
        node_id: "llm",
        attempt: 1,
        data: { error, max_attempts: 4, next_attempt_at: "2026-01-01T00:00:09.000Z" },
      }),
      live("node.retrying", { node_id: "llm", attempt: 1, data: { error, max_attempts: 4 } }),
    ])
    const llm = node(run, "llm")
    expect(llm).toMatchObject({ attempt: 2, maxAttempts: 4, text: "" })
    expect(llm.failed).toEqual([{ number: 1, error: { ...error, node_id: null }, nextAt: null }])
  })

  it("does not let a late attempt reopen a node that has ended", () => {
    const run = apply(begin(SHOWN), [
      event("node.succeeded", { node_id: "llm", data: {} }),
      live("node.retrying", { node_id: "llm", attempt: 1, data: {} }),
    ])
    expect(node(run, "llm").status).toBe("succeeded")
  })

  it("shows that no worker is there, and takes it back", () => {
    let run = apply(begin({ ...SHOWN, status: "running", queue: null }), [
      live("execution.waiting", { data: { reason: "no_worker", since: AT } }),
    ])
    expect(run.waits?.reason).toBe("no_worker")
    expect(run.status).toBe("running")
    run = apply(run, [live("execution.resumed", { data: { reason: "no_worker" } })])
    expect(run.waits).toBeNull()
  })

  it("begins a text anew where the server says so", () => {
    const said = (text: string, attempt: number, more: Json = {}): RunEvent =>
      live("llm.token", { node_id: "llm", attempt, data: { text, ...more } })
    let run = apply(begin(SHOWN), [said("lost", 1, { anew: true })])
    run = apply(run, [said("Good", 2, { anew: true }), said(" mor", 2)])
    expect(node(run, "llm").text).toBe("Good mor")
    // what an attempt before came to is told late
    run = apply(run, [live("node.retrying", { node_id: "llm", attempt: 1 })])
    expect(node(run, "llm").text).toBe("Good mor")
    run = apply(run, [said("Good mor", 2, { anew: true }), said("ning", 2)])
    expect(node(run, "llm").text).toBe("Good morning")
    run = apply(run, [live("node.retrying", { node_id: "llm", attempt: 2 })])
    expect(node(run, "llm").text).toBe("")
    run = apply(run, [said("the rest", 3, { anew: true, truncated: true })])
    expect(node(run, "llm").text).toBe("…the rest")
  })

  it("replaces all by a snapshot, but for text and logs that only lived", () => {
    let run = apply(begin(SHOWN), [
      event("node.started", { node_id: "llm" }),
      live("llm.token", { node_id: "llm", data: { text: "so far" } }),
      live("log", { node_id: "start", data: { stream: "stderr", text: "a line" } }),
      event("node.skipped", { node_id: "no" }),
    ])
    const nodes = [
      { id: "start", type: "start", status: "succeeded" },
      { id: "llm", type: "llm", status: "running", started_at: AT },
      { id: "no", type: "output", status: "pending" },
    ]
    run = apply(run, [event("snapshot", { data: { ...SHOWN, queue: null, nodes } })])
    expect(node(run, "no").status).toBe("pending")
    expect(node(run, "llm").text).toBe("so far")
    expect(run.logs).toHaveLength(1)
    expect(run.logs[0]).toMatchObject({ nodeId: "start", stream: "stderr", text: "a line" })
  })

  it("keeps iterations apart, and bounds what a model says", () => {
    const run = apply(EMPTY, [
      live("node.started", { node_id: "inner", path: "each[0]" }),
      live("node.started", { node_id: "inner", path: "each[1]" }),
      live("llm.token", { node_id: "inner", path: "each[1]", data: { text: "x".repeat(30_000) } }),
    ])
    expect(node(run, "inner", "each[0]").text).toBe("")
    expect(node(run, "inner", "each[1]").text).toHaveLength(MAX_TEXT)
  })

  it("takes fields of a strange kind as unsaid", () => {
    const run = apply(begin(SHOWN), [
      event("node.failed", { node_id: "llm", data: { error: "boom", meta: 3 } }),
    ])
    expect(node(run, "llm")).toMatchObject({ status: "failed", error: null, meta: {} })
  })

  it("folds 20,000 events of 1,000 nodes by frames well within a frame each", () => {
    const nodes = Array.from({ length: 1000 }, (_, i) => ({ id: `n${i}`, status: "pending" }))
    let run = begin({ status: "running", nodes })
    const began = performance.now()
    for (let frame = 0; frame < 100; frame++)
      run = apply(
        run,
        Array.from({ length: 200 }, (_, i) =>
          event("node.started", { node_id: `n${(frame * 200 + i) % 1000}` }),
        ),
      )
    expect([...run.nodes.values()].every((one) => one.status === "running")).toBe(true)
    expect((performance.now() - began) / 100).toBeLessThan(33)
  })
})
