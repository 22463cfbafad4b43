import { useEffect, useMemo, useRef } from "react"

import { objectOf, textOf } from "../live/events"
import type { LogLine, RunState } from "../live/state"
import { Empty } from "../ui/State"
import styles from "./run.module.css"
import { useRunState } from "./useRun"

/** Lines as they came; of nodes that were not watched, what they kept in their details. */
export function linesOf(run: RunState): LogLine[] {
  const watched = new Set(run.logs.map((line) => `${line.nodeId} ${line.path}`))
  const kept: LogLine[] = []
  for (const node of run.nodes.values()) {
    if (watched.has(`${node.id} ${node.path}`) || !Array.isArray(node.meta.logs)) continue
    for (const one of node.meta.logs) {
      const { stream, text } = objectOf(one)
      kept.push({
        at: node.finishedAt ?? node.startedAt ?? 0,
        nodeId: node.id,
        path: node.path,
        stream: textOf(stream) ?? "stdout",
        text: textOf(text) ?? "",
      })
    }
  }
  return [...kept, ...run.logs].sort((one, other) => one.at - other.at)
}

export function Logs() {
  const run = useRunState((state) => state)
  const lines = useMemo(() => linesOf(run), [run])
  const end = useRef<HTMLDivElement>(null)
  const isAtEnd = useRef(true)
  useEffect(() => {
    const box = end.current
    if (box !== null && isAtEnd.current) box.scrollTop = box.scrollHeight
  }, [lines])
  if (lines.length === 0)
    return <Empty title="No logs">What code nodes print and llm nodes remark is shown here.</Empty>
  return (
    <div
      ref={end}
      className={styles.logs}
      role="log"
      aria-label="Logs"
      tabIndex={0}
      onScroll={({ currentTarget: box }) => {
        isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 40
      }}
    >
      {lines.map((line, index) => (
        <div key={index} data-stream={line.stream}>
          <time>{new Date(line.at).toLocaleTimeString()}</time>
          <b>
            {line.nodeId}
            {line.path !== "" && ` ${line.path}`}
          </b>
          <span>{line.text.trimEnd()}</span>
        </div>
      ))}
    </div>
  )
}
