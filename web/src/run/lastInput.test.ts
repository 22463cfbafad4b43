import { beforeEach, expect, it } from "vitest"

import { forgetInputs, lastInput, rememberInput } from "./lastInput"

beforeEach(() => sessionStorage.clear())

it("keeps the last input of each workflow, of fifty at most", () => {
  for (let i = 0; i < 60; i++) rememberInput(`w${i}`, { i })
  rememberInput("w59", "again")
  expect(lastInput("w59")).toBe("again")
  expect(lastInput("w10")).toEqual({ i: 10 })
  expect(lastInput("w9")).toBeUndefined()
})

it("is not put off by what somebody else kept there", () => {
  sessionStorage.setItem("pilot.inputs", "{")
  expect(lastInput("w")).toBeUndefined()
  rememberInput("w", 1)
  expect(lastInput("w")).toBe(1)
})

it("is gone after signing out", () => {
  rememberInput("w", 1)
  forgetInputs()
  expect(lastInput("w")).toBeUndefined()
})
