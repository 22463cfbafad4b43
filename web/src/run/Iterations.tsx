import { useInfiniteQuery } from "@tanstack/react-query"
import { useState } from "react"

import { api, unwrap, type Schemas } from "../api/client"
import { messageOf } from "../api/problem"
import { Button } from "../ui/Button"
import { duration, shown } from "./format"
import styles from "./run.module.css"
import { StatusIcon } from "./StatusBadge"
import { Value } from "./Value"

type Iteration = Schemas["IterationOut"]
const PAGE = 50

/** What came of each iteration of a loop or a map, in pages. `version` is read anew as it grows. */
export function Iterations(props: { executionId: string; nodeId: string; version: number }) {
  const [onlyFailed, setOnlyFailed] = useState(false)
  const pages = useInfiniteQuery({
    queryKey: ["iterations", props.executionId, props.nodeId, onlyFailed, props.version],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/api/v1/executions/{execution_id}/nodes/{node_id}/iterations", {
          params: {
            path: { execution_id: props.executionId, node_id: props.nodeId },
            query: {
              limit: PAGE,
              ...(pageParam !== "" && { cursor: pageParam }),
              ...(onlyFailed && { status: "failed" as const }),
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (before) => before,
  })
  const items = pages.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <section className={styles.value} aria-label="Iterations">
      <header>
        <h3>Iterations</h3>
        <label className={styles.check}>
          <input
            type="checkbox"
            checked={onlyFailed}
            onChange={(event) => setOnlyFailed(event.target.checked)}
          />
          failed only
        </label>
      </header>
      {pages.isError && <p className={styles.bad}>{messageOf(pages.error)}</p>}
      {pages.isSuccess && items.length === 0 && (
        <p className={styles.soft}>{onlyFailed ? "None has failed." : "None has ended yet."}</p>
      )}
      <ol className={styles.iterations}>
        {items.map((one) => (
          <li key={one.index}>
            <Row iteration={one} />
          </li>
        ))}
      </ol>
      {pages.hasNextPage && (
        <Button
          size="small"
          busy={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          More
        </Button>
      )}
    </section>
  )
}

function Row({ iteration }: { iteration: Iteration }) {
  const { index, status, error, output, preview, started_at, finished_at } = iteration
  const took =
    started_at && finished_at ? duration(Date.parse(finished_at) - Date.parse(started_at)) : ""
  const value: unknown = preview ?? output
  return (
    <details>
      <summary>
        <StatusIcon status={status} size={14} />
        <span className={styles.index}>{index}</span>
        <span className={styles.line}>{error?.message ?? shown(value)}</span>
        <span className={styles.soft}>{took}</span>
      </summary>
      <Value
        title={error ? "Error" : "Output"}
        value={error ? `${error.code}: ${error.message}` : value}
        isCut={preview !== undefined && preview !== null}
      />
    </details>
  )
}
