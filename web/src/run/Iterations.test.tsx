import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { render, screen, within } from "@testing-library/react"
import { afterEach, beforeEach, expect, it, vi } from "vitest"

import { Iterations } from "./Iterations"

const AT = "2026-03-01T10:00:00Z"
const iteration = (index: number, output: unknown, nodes: object[]) => ({
  index,
  status: "succeeded",
  output,
  error: null,
  nodes,
  started_at: AT,
  finished_at: AT,
})

let asked: string[]

beforeEach(() => {
  asked = []
  vi.stubGlobal("fetch", (request: Request) => {
    const { pathname, searchParams } = new URL(request.url)
    const path = searchParams.get("path") ?? ""
    asked.push(`${pathname.split("/").at(-2) ?? ""} ${path}`)
    const inner = { id: "improve", type: "loop", status: "succeeded" }
    const items =
      path === ""
        ? [iteration(0, "first", [inner]), iteration(1, "second", [inner])]
        : [iteration(0, `of ${path}`, [])]
    return Promise.resolve(Response.json({ items, next_cursor: null }))
  })
})
afterEach(() => vi.unstubAllGlobals())

it("says how many there are, and shows the iterations inside of an iteration", async () => {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Iterations executionId="e" nodeId="each" path="" progress="2 of 5 done" version={2} />
    </QueryClientProvider>,
  )
  expect(screen.getByRole("heading", { name: "Iterations 2 of 5 done" })).toBeVisible()
  const row = (await screen.findByText("second")).closest("details")
  if (row === null) throw new Error("an iteration has no details")
  expect(asked).toEqual(["each "])
  row.open = true
  expect(await within(row).findByText("of each[1]")).toBeInTheDocument()
  expect(asked).toEqual(["each ", "improve each[1]"])
})
