import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { render, screen, waitFor, within } from "@testing-library/react"
import userEvent from "@testing-library/user-event"
import { MemoryRouter } from "react-router"
import { afterEach, beforeEach, expect, it, vi } from "vitest"

import { fresh, type NodeState } from "../live/state"
import { ToastProvider } from "../ui/Toast"
import type { Execution } from "./useRun"
import { InnerWaits, Waits } from "./Waits"

const EXECUTION = { id: "e1" } as Execution
const since = "2026-03-01T10:00:00Z"

let answers: Record<string, object>
let posted: { path: string; body: unknown }[]

beforeEach(() => {
  posted = []
  answers = {}
  vi.stubGlobal("fetch", async (request: Request) => {
    const path = new URL(request.url).pathname.replace("/api/v1/executions/", "")
    if (request.method === "POST") posted.push({ path, body: await request.json() })
    return Response.json(answers[path] ?? {}, { status: path in answers ? 200 : 404 })
  })
})
afterEach(() => vi.unstubAllGlobals())

const open = (shown: React.ReactNode) =>
  render(
    <MemoryRouter>
      <QueryClientProvider
        client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}
      >
        <ToastProvider>{shown}</ToastProvider>
      </QueryClientProvider>
    </MemoryRouter>,
  )

const approval = (execution_id: string, path: string, title: string) => ({
  execution_id,
  node_id: "ask",
  path,
  title,
  description: null,
  form: null,
  required: 1,
  approvals: 0,
  created_at: since,
  expires_at: null,
})

const state = (more: Partial<NodeState>): NodeState => ({ ...fresh("each"), ...more })

it("says at which model there is no room, and how many are served before", () => {
  const waiting = { for: "model", model: "gpt-4o", ahead: 12, until: "2026-03-01T10:05:00Z" }
  open(<Waits execution={EXECUTION} state={state({ status: "waiting", meta: { waiting } })} />)
  screen.getByText(/^Waits for room at gpt-4o \(12 before it\) until /)
})

it("answers the iteration that asks, and no other", async () => {
  const user = userEvent.setup()
  answers = {
    "e1/waits": {
      items: [0, 1].map((index) => ({
        execution_id: "e1",
        node_id: "ask",
        path: `each[${index}]`,
        for: "approval",
        title: `Send letter ${index}?`,
        since,
      })),
      complete: true,
    },
    "e1/approvals": {
      items: [
        approval("e1", "each[0]", "Send letter 0?"),
        approval("e1", "each[1]", "Send letter 1?"),
      ],
    },
    "e1/approvals/ask": { status: "approved", approvals: 1, required: 1 },
  }
  open(<InnerWaits execution={EXECUTION} state={state({ type: "map", status: "waiting" })} />)
  const list = await screen.findByRole("region", { name: "What waits in it" })
  expect(within(list).getByRole("heading", { name: "What waits in it (2)" })).toBeVisible()
  const second = within(list).getAllByRole("listitem")[1]
  if (second === undefined) throw new Error("the second is not listed")
  await user.click(within(second).getByText(/Send letter 1\?/, { selector: "summary span" }))
  await user.click(await within(second).findByRole("button", { name: "Approve" }))
  await waitFor(() => expect(posted).toHaveLength(1))
  expect(posted[0]?.path).toBe("e1/approvals/ask")
  expect(posted[0]?.body).toMatchObject({ decision: "approved", path: "each[1]" })
})

it("leads to the run that was begun, and sends its signal there", async () => {
  const user = userEvent.setup()
  answers = {
    "e1/waits": {
      items: [{ execution_id: "e2", node_id: "w", for: "signal", signal: "paid", since }],
      complete: true,
    },
    "e2/signals/paid": { deliveries: [{ node_id: "w", status: "accepted" }] },
  }
  const calls = state({ id: "call", type: "workflow", meta: { child_execution_id: "e2" } })
  open(<InnerWaits execution={EXECUTION} state={calls} />)
  expect(await screen.findByRole("link", { name: "the other run" })).toHaveAttribute(
    "href",
    "/executions/e2",
  )
  await user.click(screen.getByRole("button", { name: "Send the signal" }))
  await waitFor(() => expect(posted.map((one) => one.path)).toEqual(["e2/signals/paid"]))
})

it("shows a webhook's address to whoever is told it", async () => {
  const waiting = state({ id: "hook", status: "waiting", meta: { waiting: { for: "webhook" } } })
  const item = { execution_id: "e1", node_id: "hook", for: "webhook", since }
  answers = { "e1/waits": { items: [{ ...item, url: "/api/v1/hooks/tok" }], complete: true } }
  open(<Waits execution={EXECUTION} state={waiting} />)
  const address = await screen.findByRole("region", { name: "Its address" })
  expect(address).toHaveTextContent(`${location.origin}/api/v1/hooks/tok`)
})
