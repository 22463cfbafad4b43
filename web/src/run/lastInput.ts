/** The last input of each workflow, for as long as the browser's tab lives: a run is mostly tried
 * again. Not longer, and not after signing out: an input may hold what is nobody else's affair. */
const KEY = "pilot.inputs"
const KEPT = 50
const MAX_CHARS = 50_000

type Kept = Record<string, unknown>

function all(): Kept {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Kept
  } catch {
    return {}
  }
}

/** Undefined where there is none. */
export const lastInput = (workflowId: string): unknown => all()[workflowId]

export function rememberInput(workflowId: string, input: unknown): void {
  if (JSON.stringify(input).length > MAX_CHARS) return
  const others = Object.entries(all()).filter(([id]) => id !== workflowId)
  const kept = [...others.slice(1 - KEPT), [workflowId, input]]
  try {
    sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(kept)))
  } catch {
    // a full or forbidden storage is no reason not to run
  }
}

export const forgetInputs = (): void => sessionStorage.removeItem(KEY)
