// @vitest-environment node
import { describe, expect, it } from "vitest"

import { duration, money, reasonText, statusLabel, tokens } from "./format"

describe("duration", () => {
  it.each([
    [0, "0 ms"],
    [-5, "0 ms"],
    [420.4, "420 ms"],
    [3210, "3.2 s"],
    [9990, "10 s"],
    [59_600, "1 min"],
    [80_000, "1 min 20 s"],
    [7_500_000, "2 h 5 min"],
    [273_600_000, "3 d 4 h"],
  ])("%d ms is %s", (ms, text) => expect(duration(ms)).toBe(text))
})

describe("money", () => {
  it.each([
    [0, "$0"],
    [0.0000725, "$0.000073"],
    [0.0013, "$0.0013"],
    [0.025, "$0.03"],
    [1.5, "$1.50"],
  ])("%d is %s", (usd, text) => expect(money(usd)).toBe(text))
})

it("counts tokens", () => {
  expect(tokens({ prompt_tokens: 1, completion_tokens: 0, cost_usd: 0 })).toBe("1 token")
  expect(tokens({ prompt_tokens: 1000, completion_tokens: 234, cost_usd: 0 })).toBe("1.2K tokens")
})

it("has words for statuses and reasons, of newer servers too", () => {
  expect(statusLabel("timed_out")).toBe("Timed out")
  expect(reasonText("lost_race")).toBe("Another branch was faster")
  expect(reasonText("of_a_newer_server")).toBe("Of a newer server")
})
