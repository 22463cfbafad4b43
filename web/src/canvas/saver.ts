import { createStore } from "zustand"
import { Problem } from "../api/problem"
import type { Schemas } from "../api/client"
import type { Doc } from "./store"

export interface Saved {
  etag: string
  version: number
}

export interface SaverState {
  status: "saved" | "dirty" | "saving" | "failed" | "conflict"
  /** Of the newest version that this page knows. */
  at: Saved
  error: Error | null
  /** What somebody else saved meanwhile. */
  current: Schemas["CurrentOut"] | null
  changed: (doc: Doc) => void
  /** Saves what is not saved yet; whether all of it is now. */
  flush: () => Promise<boolean>
  /** Saves over what somebody else has saved. */
  overwrite: () => Promise<boolean>
  /** The page shows this version now. */
  adopt: (doc: Doc, at: Saved) => void
}

export const SAVE_AFTER_MS = 1_200
const RETRY_MS = 5_000

/** Saves by itself, a moment after the last change, and never over what somebody else saved. */
export function createSaver(doc: Doc, at: Saved, put: (doc: Doc, etag: string) => Promise<Saved>) {
  let saved = doc
  let wanted = doc
  let timer: ReturnType<typeof setTimeout> | undefined
  let running: Promise<boolean> | null = null

  return createStore<SaverState>((set, get) => {
    function later(ms: number) {
      clearTimeout(timer)
      timer = setTimeout(() => void get().flush(), ms)
    }

    async function save(): Promise<boolean> {
      while (saved !== wanted) {
        const sent = wanted
        set({ status: "saving", error: null })
        try {
          set({ at: await put(sent, get().at.etag) })
          saved = sent
        } catch (error) {
          return failed(error)
        }
      }
      set({ status: "saved", error: null })
      return true
    }

    function failed(error: unknown): boolean {
      if (error instanceof Problem && error.code === "stale_version") {
        set({ status: "conflict", current: error.current })
        return false
      }
      set({ status: "failed", error: error instanceof Error ? error : new Error(String(error)) })
      const mayPass = !(error instanceof Problem) || error.status === 0 || error.status >= 429
      if (mayPass) later(RETRY_MS)
      return false
    }

    return {
      status: "saved",
      at,
      error: null,
      current: null,

      changed(next) {
        wanted = next
        const { status } = get()
        if (status === "conflict" || status === "saving") return
        set({ status: wanted === saved ? "saved" : "dirty" })
        later(SAVE_AFTER_MS)
      },

      async flush() {
        clearTimeout(timer)
        if (get().status === "conflict") return false
        running ??= save().finally(() => {
          running = null
        })
        return running
      },

      overwrite() {
        const { current, at: known } = get()
        const etag = current?.etag ?? known.etag
        set({ status: "dirty", current: null, at: { ...known, etag } })
        return get().flush()
      },

      adopt(next, now) {
        clearTimeout(timer)
        saved = next
        wanted = next
        set({ status: "saved", at: now, error: null, current: null })
      },
    }
  })
}

export type Saver = ReturnType<typeof createSaver>
