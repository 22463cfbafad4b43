/** The WebSocket: signs in, subscribes, comes back after whatever cut it, and renews its token. */

import { claimsOf } from "../auth/token"
import { Sequence } from "./sequence"
import type { RunEvent } from "./events"

export type ChannelStatus = "connecting" | "open" | "closed" | "signed_out"

export interface ChannelOptions {
  /** Such as `ws://127.0.0.1:8000`. */
  origin: string
  /** A token that holds; a new one where `isStale`. */
  getToken: (isStale: boolean) => Promise<string>
  /** What the run did, in order. */
  onEvents: (events: readonly RunEvent[]) => void
  onStatus?: (status: ChannelStatus) => void
  /** Where given, of this execution alone, with its past; else of all the user's executions. */
  executionId?: string
  /** Of all: which types. */
  types?: readonly string[]
  open?: (url: string, protocols: string[]) => WebSocket
}

const FIRST_DELAY_MS = 250
const LONGEST_DELAY_MS = 15_000
/** A sign-in service may go on giving the old token until shortly before its end. */
const RENEWALS = 6
const RENEWAL_EVERY_MS = 3_000
/** A connection that held so long was a good one. */
const GOOD_AFTER_MS = 5_000

/** How long to wait before try number `tries` (from 0): doubling, and spread by a third. */
export function delayOf(tries: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_DELAY_MS * 2 ** tries, LONGEST_DELAY_MS)
  return full * (1 - random() / 3)
}

/** Watches until `close`. */
export class Channel {
  private socket: WebSocket | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private tries = 0
  private refusals = 0
  private isClosed = false
  private isConnecting = false
  private token = ""
  private sequence = new Sequence()

  constructor(private readonly options: ChannelOptions) {
    window.addEventListener("online", this.hurry)
    document.addEventListener("visibilitychange", this.hurry)
    void this.connect()
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
    window.removeEventListener("online", this.hurry)
    document.removeEventListener("visibilitychange", this.hurry)
    this.socket?.close(1000)
    this.socket = null
  }

  private async connect(): Promise<void> {
    if (this.isConnecting || this.isClosed) return
    this.isConnecting = true
    this.say("connecting")
    try {
      this.use(await this.options.getToken(this.refusals > 0))
    } catch {
      this.again()
    } finally {
      this.isConnecting = false
    }
  }

  private use(token: string): void {
    if (this.isClosed) return
    const user = claimsOf(token)?.sub
    if (user === undefined) throw new Error("the token names no user")
    this.token = token
    const open = this.options.open ?? ((url, protocols) => new WebSocket(url, protocols))
    const url = `${this.options.origin}/ws/${encodeURIComponent(user)}`
    const socket = open(url, [`bearer.${token}`])
    this.socket = socket
    let openedAt = Infinity
    socket.onopen = () => {
      openedAt = Date.now()
      this.sequence.reconnected()
      this.subscribe()
      this.say("open")
    }
    socket.onmessage = (message: MessageEvent<string>) => {
      this.refusals = 0
      this.take(JSON.parse(message.data) as RunEvent & { code?: string })
    }
    socket.onclose = (close: CloseEvent) => {
      if (this.socket !== socket) return
      this.socket = null
      if (Date.now() - openedAt > GOOD_AFTER_MS) this.tries = 0
      if (close.code === 4401) this.refusals += 1
      if (close.code === 4403 || this.refusals > 2) {
        this.say("signed_out")
        return
      }
      this.again()
    }
  }

  private subscribe(): void {
    const { executionId, types } = this.options
    if (executionId === undefined) {
      this.send({ type: "subscribe", all: true, tokens: false, ...(types && { types }) })
      return
    }
    this.send({ type: "unsubscribe", all: true })
    const last = this.sequence.last
    this.send({
      type: "subscribe",
      execution_id: executionId,
      ...(last !== null && { last_seq: last }),
    })
  }

  private take(event: RunEvent & { code?: string }): void {
    const { executionId, onEvents } = this.options
    switch (event.type) {
      case "auth_expiring":
        void this.renew()
        return
      case "error":
        // the events before it are gone: shown anew, without its past
        if (event.code === "events_pruned" && this.sequence.last !== null) {
          this.sequence = new Sequence()
          this.subscribe()
        }
        return
      case "pong":
        return
      case "gap":
        // a snapshot follows where the store answers; where it does not, asking again brings one
        this.sequence = new Sequence()
        clearTimeout(this.timer)
        this.timer = setTimeout(() => {
          if (this.sequence.last === null && this.socket !== null) this.subscribe()
        }, 2_000)
        return
    }
    if (executionId === undefined) onEvents([event])
    else if (event.execution_id === executionId) {
      const ready = this.sequence.take(event)
      if (ready.length > 0) onEvents(ready)
    }
  }

  /** Sends a newer token, asking for one until there is one. Where there never is, the server
   * closes (4401), and the way back is that after every other end. */
  private async renew(): Promise<void> {
    const socket = this.socket
    for (let tries = 0; tries < RENEWALS && socket !== null && this.socket === socket; tries++) {
      const token = await this.options.getToken(true).catch(() => this.token)
      if (token !== this.token) {
        this.token = token
        this.send({ type: "auth", token })
        return
      }
      await new Promise((resolve) => setTimeout(resolve, RENEWAL_EVERY_MS))
    }
  }

  private send(message: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message))
  }

  private again(): void {
    if (this.isClosed) return
    this.say("closed")
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.connect(), delayOf(this.tries++))
  }

  /** The network, or the person, is back: not to be kept waiting for the next try. */
  private readonly hurry = (): void => {
    if (this.socket !== null || document.visibilityState === "hidden") return
    if (this.refusals > 2) return
    clearTimeout(this.timer)
    this.tries = 0
    void this.connect()
  }

  private say(status: ChannelStatus): void {
    if (!this.isClosed) this.options.onStatus?.(status)
  }
}
