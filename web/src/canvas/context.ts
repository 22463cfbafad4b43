import { createContext, useContext } from "react"
import { useStore } from "zustand"
import type { Saver, SaverState } from "./saver"
import type { CanvasState, CanvasStore } from "./store"

export interface Editing {
  id: string
  canvas: CanvasStore
  saver: Saver
  /** The caller may look, and change nothing. */
  readOnly: boolean
}

export const EditingContext = createContext<Editing | null>(null)

/** The workflow that is open. Only below the canvas page. */
export function useEditing(): Editing {
  const editing = useContext(EditingContext)
  if (!editing) throw new Error("useEditing is for what the canvas page holds")
  return editing
}

export function useCanvas<T>(select: (state: CanvasState) => T): T {
  return useStore(useEditing().canvas, select)
}

export function useSaver<T>(select: (state: SaverState) => T): T {
  return useStore(useEditing().saver, select)
}
