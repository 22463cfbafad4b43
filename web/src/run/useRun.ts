import { useQuery, useQueryClient } from "@tanstack/react-query"
import { createContext, useContext, useEffect, useState } from "react"
import { useStore } from "zustand"

import { api, currentToken, unwrap, type Schemas } from "../api/client"
import { claimsOf } from "../auth/token"
import { Channel, type ChannelStatus } from "../live/channel"
import { isFinal, type RunStatus } from "../live/events"
import { Frames, runStore, seed, type RunStore } from "../live/run"
import { fresh, keyOf, type NodeState, type RunState } from "../live/state"

export type Execution = Schemas["ExecutionOut"]

export const executionKey = (id: string) => ["executions", id] as const

const POLL_MS = 2_000

/** An API key names no user, and so has no WebSocket: such a page asks every two seconds. */
export async function isWatching(): Promise<boolean> {
  const token = await currentToken()
  return token !== null && claimsOf(token) !== null
}

export const liveOrigin = () => location.origin.replace(/^http/, "ws")

export async function liveToken(): Promise<string> {
  const token = await currentToken()
  if (token === null) throw new Error("nobody is signed in")
  return token
}

/** A run that is watched until the component goes: what `GET` gives at once, then what the
 * WebSocket says; once it has ended, what `GET` gives again, with every value whole. */
export function useRun(id: string) {
  const queries = useQueryClient()
  const [store] = useState(runStore)
  const [isPolled, setPolled] = useState(false)
  const execution = useQuery({
    queryKey: executionKey(id),
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/executions/{execution_id}", { params: { path: { execution_id: id } } }),
      ),
    refetchInterval: ({ state }) =>
      isPolled && state.data && !isFinal(state.data.status) ? POLL_MS : false,
  })
  const status = execution.data?.status
  const isOpen = status !== undefined && !isFinal(status)

  useEffect(() => {
    if (execution.data) seed(store, execution.data, isPolled)
  }, [execution.data, store, isPolled])

  useEffect(() => {
    if (!isOpen) return
    let channel: Channel | undefined
    let isGone = false
    const frames = new Frames(store)
    const reread = () => void queries.invalidateQueries({ queryKey: executionKey(id) })
    void isWatching().then((can) => {
      if (isGone) return
      setPolled(!can)
      if (!can) return
      channel = new Channel({
        origin: liveOrigin(),
        executionId: id,
        getToken: liveToken,
        onEvents: (events) => {
          frames.take(events)
          const last = events.at(-1)
          if (last?.type.startsWith("execution.") && isFinal((last.status ?? "") as RunStatus))
            reread()
        },
        onStatus: (connection: ChannelStatus) => store.setState({ connection }),
      })
    })
    return () => {
      isGone = true
      channel?.close()
      frames.stop()
    }
  }, [id, isOpen, queries, store])

  return { execution, store }
}

export const RunContext = createContext<RunStore | null>(null)

/** The store itself, for what asks now and then and follows nothing. */
export function useRunContext(): RunStore {
  const store = useContext(RunContext)
  if (store === null) throw new Error("there is no run around this")
  return store
}

/** A part of the run's state; the component is drawn again when that part changes. */
export function useRunState<T>(select: (run: RunState) => T): T {
  return useStore(useRunContext(), ({ run }) => select(run))
}

export function useConnection(): ChannelStatus {
  return useStore(useRunContext(), ({ connection }) => connection)
}

const NOTHING = new Map<string, NodeState>()

export function useNodeState(id: string, path = ""): NodeState {
  const found = useRunState((run) => run.nodes.get(keyOf(id, path)))
  if (found !== undefined) return found
  const key = keyOf(id, path)
  const empty = NOTHING.get(key) ?? fresh(id, path)
  NOTHING.set(key, empty)
  return empty
}
