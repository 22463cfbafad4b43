import { useEffect } from "react"
import { readClipboard } from "../graph/clipboard"
import { useEditing } from "./context"

interface Actions {
  fit: () => void
  search: () => void
}

/** Whether keys belong to what is being typed in, or to a dialog. */
function isElsewhere(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]")) return true
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
}

/** Whether somebody copies a text of the page, and no nodes. */
const hasTextSelected = () => (getSelection()?.toString() ?? "") !== ""

/** The canvas's keys (docs/canvas.md), and the clipboard. */
export function useShortcuts({ fit, search }: Actions) {
  const { canvas, saver } = useEditing()

  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      const mod = event.metaKey || event.ctrlKey
      const key = event.key.toLowerCase()
      if (mod && key === "s") {
        event.preventDefault()
        void saver.getState().flush()
        return
      }
      if (event.defaultPrevented || isElsewhere(event.target)) return
      const state = canvas.getState()
      const done = () => event.preventDefault()
      if (mod && key === "z") {
        done()
        if (event.shiftKey) state.redo()
        else state.undo()
      } else if (mod && key === "y") {
        done()
        state.redo()
      } else if (mod && key === "a") {
        done()
        state.select(state.flowNodes.map((node) => node.id))
      } else if (mod && key === "d") {
        done()
        state.duplicate()
      } else if (mod) {
        return
      } else if (key === "delete" || key === "backspace") {
        done()
        state.remove()
      } else if (key === "escape") {
        state.select([])
      } else if (key === "f") {
        fit()
      } else if (key === "/") {
        done()
        search()
      }
    }

    function onCopy(event: ClipboardEvent) {
      if (isElsewhere(event.target) || hasTextSelected()) return
      const text = canvas.getState().copy()
      if (text === null) return
      event.clipboardData?.setData("text/plain", text)
      event.preventDefault()
      if (event.type === "cut") canvas.getState().remove()
    }

    function onPaste(event: ClipboardEvent) {
      if (isElsewhere(event.target)) return
      const clip = readClipboard(event.clipboardData?.getData("text/plain") ?? "")
      if (!clip) return
      event.preventDefault()
      canvas.getState().paste(clip)
    }

    window.addEventListener("keydown", onKey)
    document.addEventListener("copy", onCopy)
    document.addEventListener("cut", onCopy)
    document.addEventListener("paste", onPaste)
    return () => {
      window.removeEventListener("keydown", onKey)
      document.removeEventListener("copy", onCopy)
      document.removeEventListener("cut", onCopy)
      document.removeEventListener("paste", onPaste)
    }
  }, [canvas, saver, fit, search])
}
