import { useEffect } from "react"
import { useCanvas, useEditing } from "./context"
import { validateGraph } from "./documents"

const VALIDATE_AFTER_MS = 350

/** Asks the API what is wrong, a moment after each change that it would notice. */
export function useValidation() {
  const { canvas } = useEditing()
  const revision = useCanvas((state) => state.revision)
  useEffect(() => {
    const asking = new AbortController()
    const timer = setTimeout(() => {
      validateGraph(canvas.getState().doc, asking.signal).then(
        (issues) => canvas.getState().setIssues(issues),
        // what was said before stays: the next change asks again
        () => undefined,
      )
    }, VALIDATE_AFTER_MS)
    return () => {
      clearTimeout(timer)
      asking.abort()
    }
  }, [canvas, revision])
}
