import { CircleAlert, CircleCheck, TriangleAlert } from "lucide-react"
import { useEffect, useRef } from "react"
import type { Issue } from "../api/problem"
import { useCanvas, useEditing } from "./context"
import { containers } from "./flow"
import styles from "./canvas.module.css"

/** All that is wrong; a click goes where it is. */
export function IssuesBox({ onClose }: { onClose: () => void }) {
  const { canvas } = useEditing()
  const issues = useCanvas((state) => state.issues)
  const box = useRef<HTMLDivElement>(null)

  useEffect(() => box.current?.focus(), [])

  function show(issue: Issue) {
    const state = canvas.getState()
    const path = containers(issue)
    if (path.join("/") !== state.path.join("/")) state.open(path)
    const id = issue.node_id ?? issue.edge?.source
    if (id != null) state.select([id])
    onClose()
  }

  return (
    <div
      ref={box}
      className={styles.issuesBox}
      role="region"
      aria-label="Issues"
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose()
      }}
    >
      {issues.length === 0 ? (
        <p className={styles.fine}>
          <CircleCheck size={17} aria-hidden /> Nothing is wrong: it can run.
        </p>
      ) : (
        <ul className={styles.issues}>
          {issues.map((issue, index) => (
            <li key={index}>
              <button type="button" data-severity={issue.severity} onClick={() => show(issue)}>
                {issue.severity === "error" ? (
                  <CircleAlert size={16} aria-label="Error" />
                ) : (
                  <TriangleAlert size={16} aria-label="Warning" />
                )}
                <span>
                  {issue.message}
                  <small>
                    {[...containers(issue), issue.node_id, issue.field].filter(Boolean).join(" › ")}
                    {issue.line != null && `, line ${issue.line}`}
                  </small>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
