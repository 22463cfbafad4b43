import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"

import { Channel, delayOf, type ChannelOptions, type ChannelStatus } from "./channel"
import type { RunEvent } from "./events"

const jwt = (sub: string) => `h.${btoa(JSON.stringify({ sub })).replace(/=+$/, "")}.s`

class Socket {
  readyState = 0
  sent: Record<string, unknown>[] = []
  onopen: (() => void) | null = null
  onmessage: ((message: { data: string }) => void) | null = null
  onclose: ((close: { code: number }) => void) | null = null
  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}
  send(text: string) {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }
  close() {
    this.readyState = 3
  }
  opened() {
    this.readyState = 1
    this.onopen?.()
  }
  says(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
  cut(code: number) {
    this.readyState = 3
    this.onclose?.({ code })
  }
}

const event = (type: string, seq?: number): RunEvent => ({
  type,
  execution_id: "run",
  workflow_id: "w",
  at: "2026-01-01T00:00:00Z",
  ...(seq !== undefined && { seq }),
})

describe("Channel", () => {
  let sockets: Socket[]
  let seen: RunEvent[]
  let statuses: ChannelStatus[]
  let stale: boolean[]
  let token: string
  let channel: Channel | undefined

  const last = () => {
    const socket = sockets.at(-1)
    if (socket === undefined) throw new Error("no socket")
    return socket
  }
  const start = async (more: Partial<ChannelOptions> = {}) => {
    channel = new Channel({
      origin: "ws://api",
      executionId: "run",
      getToken: (isStale) => {
        stale.push(isStale)
        return Promise.resolve(token)
      },
      onEvents: (events) => seen.push(...events),
      onStatus: (status) => statuses.push(status),
      open: (url, protocols) => {
        const socket = new Socket(url, protocols)
        sockets.push(socket)
        return socket as unknown as WebSocket
      },
      ...more,
    })
    await vi.advanceTimersByTimeAsync(0)
  }

  beforeEach(() => {
    vi.useFakeTimers()
    sockets = []
    seen = []
    statuses = []
    stale = []
    token = jwt("ada@b/c")
  })
  afterEach(() => {
    channel?.close()
    vi.useRealTimers()
  })

  it("signs in by the subprotocol, and asks for one execution with its past", async () => {
    await start()
    expect(last().url).toBe("ws://api/ws/ada%40b%2Fc")
    expect(last().protocols).toEqual([`bearer.${jwt("ada@b/c")}`])
    last().opened()
    expect(last().sent).toEqual([
      { type: "unsubscribe", all: true },
      { type: "subscribe", execution_id: "run" },
    ])
  })

  it("comes back from where it was, and shows nothing twice", async () => {
    await start()
    last().opened()
    last().says(event("snapshot", 3))
    last().says(event("node.started", 4))
    last().cut(1012)
    expect(statuses.at(-1)).toBe("closed")
    await vi.advanceTimersByTimeAsync(300)
    expect(sockets).toHaveLength(2)
    last().opened()
    expect(last().sent[1]).toEqual({ type: "subscribe", execution_id: "run", last_seq: 4 })
    last().says(event("node.started", 4))
    last().says(event("node.succeeded", 5))
    expect(seen.map((one) => one.seq)).toEqual([3, 4, 5])
  })

  it("renews its token when told to, as soon as there is a newer one", async () => {
    await start()
    last().opened()
    last().says({ type: "auth_expiring", expires_at: "2026-01-01T00:00:15Z" })
    await vi.advanceTimersByTimeAsync(0)
    expect(last().sent).toHaveLength(2)
    token += "newer"
    await vi.advanceTimersByTimeAsync(10_000)
    expect(last().sent.slice(2)).toEqual([{ type: "auth", token }])
    expect(stale).toEqual([false, true, true])
  })

  it("does not connect by a token that names no user", async () => {
    token = "pk_123"
    await start()
    expect(sockets).toHaveLength(0)
    expect(statuses.at(-1)).toBe("closed")
  })

  it("asks for a new token when the one it had is refused, and gives up after three", async () => {
    await start()
    for (let round = 0; round < 3; round++) {
      last().opened()
      last().cut(4401)
      await vi.advanceTimersByTimeAsync(20_000)
    }
    expect(stale).toEqual([false, true, true])
    expect(statuses.at(-1)).toBe("signed_out")
  })

  it("waits longer with each failure, and not at all once the network is back", async () => {
    await start()
    for (let round = 0; round < 6; round++) {
      last().cut(1006)
      await vi.advanceTimersByTimeAsync(20_000)
    }
    last().cut(1006)
    const before = sockets.length
    await vi.advanceTimersByTimeAsync(5_000)
    expect(sockets).toHaveLength(before)
    window.dispatchEvent(new Event("online"))
    await vi.advanceTimersByTimeAsync(0)
    expect(sockets).toHaveLength(before + 1)
  })

  it("asks to be shown the execution where a gap is followed by nothing", async () => {
    await start()
    last().opened()
    last().says(event("snapshot", 3))
    last().says(event("gap"))
    last().says(event("node.started", 9))
    expect(seen).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(2_500)
    expect(last().sent.at(-1)).toEqual({ type: "subscribe", execution_id: "run" })
    last().says(event("snapshot", 9))
    expect(seen.at(-1)).toMatchObject({ type: "snapshot", seq: 9 })
  })

  it("is shown a run anew whose events were deleted", async () => {
    await start()
    last().opened()
    last().says(event("snapshot", 3))
    last().says({ type: "error", code: "events_pruned", message: "", execution_id: "run" })
    expect(last().sent.at(-1)).toEqual({ type: "subscribe", execution_id: "run" })
  })

  it("says nothing more once it is closed", async () => {
    await start()
    last().opened()
    channel?.close()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sockets).toHaveLength(1)
  })
})

describe("delayOf", () => {
  it("doubles up to a bound, and is spread", () => {
    expect(delayOf(0, () => 0)).toBe(250)
    expect(delayOf(3, () => 0)).toBe(2000)
    expect(delayOf(50, () => 0)).toBe(15_000)
    expect(delayOf(50, () => 1)).toBeCloseTo(10_000)
  })
})
