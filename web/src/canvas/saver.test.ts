import { Problem } from "../api/problem"
import { createSaver, SAVE_AFTER_MS, type Saved } from "./saver"
import type { Doc } from "./store"

const doc = (name: string): Doc => ({
  name,
  description: "",
  timeout_s: null,
  max_parallel: null,
  nodes: [],
  edges: [],
})
const at = (version: number): Saved => ({ version, etag: `"${version}"` })
const stale = new Problem(409, "stale_version", "changed", [], {
  version: 9,
  etag: '"9"',
  published_version: null,
  saved_at: "2026-01-01T00:00:00Z",
  saved_by: "bob",
})

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

function made(put: (doc: Doc, etag: string) => Promise<Saved>) {
  const sent = vi.fn(put)
  return { saver: createSaver(doc("first"), at(1), sent), sent }
}

test("saves once, a moment after the last change", async () => {
  const { saver, sent } = made(() => Promise.resolve(at(2)))
  saver.getState().changed(doc("a"))
  await vi.advanceTimersByTimeAsync(SAVE_AFTER_MS - 100)
  saver.getState().changed(doc("ab"))
  await vi.advanceTimersByTimeAsync(SAVE_AFTER_MS - 100)
  expect(sent).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(100)
  expect(sent.mock.calls.map(([one, etag]) => [one.name, etag])).toEqual([["ab", '"1"']])
  expect(saver.getState()).toMatchObject({ status: "saved", at: at(2) })
})

test("what changes while it saves is saved next, on top of that", async () => {
  let version = 1
  const { saver, sent } = made(async () => {
    await new Promise((done) => setTimeout(done, 1_000))
    return at(++version)
  })
  saver.getState().changed(doc("a"))
  const flushed = saver.getState().flush()
  saver.getState().changed(doc("b"))
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await flushed).toBe(true)
  expect(sent.mock.calls.map(([one, etag]) => [one.name, etag])).toEqual([
    ["a", '"1"'],
    ["b", '"2"'],
  ])
})

test("never saves over somebody else's, until it is told to", async () => {
  let isStale = true
  const { saver, sent } = made(() => (isStale ? Promise.reject(stale) : Promise.resolve(at(10))))
  saver.getState().changed(doc("mine"))
  expect(await saver.getState().flush()).toBe(false)
  expect(saver.getState()).toMatchObject({ status: "conflict", current: { saved_by: "bob" } })
  saver.getState().changed(doc("mine, longer"))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await saver.getState().flush()).toBe(false)
  expect(sent).toHaveBeenCalledTimes(1)
  isStale = false
  expect(await saver.getState().overwrite()).toBe(true)
  expect(sent.mock.calls.at(-1)).toEqual([doc("mine, longer"), '"9"'])
  expect(saver.getState()).toMatchObject({ status: "saved", current: null, at: at(10) })
})

test("theirs is taken over, and nothing is left to save", async () => {
  const { saver, sent } = made(() => Promise.reject(stale))
  saver.getState().changed(doc("mine"))
  await saver.getState().flush()
  saver.getState().adopt(doc("theirs"), at(9))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(saver.getState().status).toBe("saved")
  expect(sent).toHaveBeenCalledTimes(1)
})

test("tries again by itself when the server is away, and not when it refuses", async () => {
  let answer = new Problem(0, "unreachable", "away")
  const { saver, sent } = made(() => Promise.reject(answer))
  saver.getState().changed(doc("a"))
  await saver.getState().flush()
  expect(saver.getState()).toMatchObject({ status: "failed", error: { message: "away" } })
  answer = new Problem(422, "invalid_request", "no")
  await vi.advanceTimersByTimeAsync(6_000)
  expect(sent).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent).toHaveBeenCalledTimes(2)
})

test("an undone change is saved already", () => {
  const { saver } = made(() => Promise.resolve(at(2)))
  const first = doc("same")
  saver.getState().adopt(first, at(1))
  saver.getState().changed(doc("other"))
  expect(saver.getState().status).toBe("dirty")
  saver.getState().changed(first)
  expect(saver.getState().status).toBe("saved")
})
