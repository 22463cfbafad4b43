import { useInfiniteQuery } from "@tanstack/react-query"
import { useState } from "react"

import { api, unwrap, type Schemas } from "../api/client"
import { messageOf } from "../api/problem"
import { objectOf, textOf, type Json } from "../live/events"
import { Button } from "../ui/Button"
import { duration, shown } from "./format"
import styles from "./run.module.css"
import { StatusIcon } from "./StatusBadge"
import { Value } from "./Value"

type Iteration = Schemas["IterationOut"]
const PAGE = 50

interface Props {
  executionId: string
  nodeId: string
  /** Which run of it, inside of another loop or map: `outer[3]`. */
  path: string
  /** How many have ended, in words; empty where that is not known. */
  progress: string
  /** Read anew as it grows. */
  version: number
}

/** What came of each iteration of a loop or a map, in pages. */
export function Iterations(props: Props) {
  const [onlyFailed, setOnlyFailed] = useState(false)
  const pages = useInfiniteQuery({
    queryKey: [
      "iterations",
      props.executionId,
      props.nodeId,
      props.path,
      onlyFailed,
      props.version,
    ],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/api/v1/executions/{execution_id}/nodes/{node_id}/iterations", {
          params: {
            path: { execution_id: props.executionId, node_id: props.nodeId },
            query: {
              limit: PAGE,
              ...(props.path !== "" && { path: props.path }),
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
        <h3>
          Iterations <span className={styles.soft}>{props.progress}</span>
        </h3>
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
            <Row iteration={one} {...props} />
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

function Row({ iteration, ...outer }: Props & { iteration: Iteration }) {
  const { index, status, error, output, preview, nodes, started_at, finished_at } = iteration
  const [isOpen, setOpen] = useState(false)
  const value: unknown = preview ?? output
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <StatusIcon status={status} size={14} />
        <span className={styles.index}>{index}</span>
        <span className={styles.line}>{error?.message ?? shown(value)}</span>
        <span className={styles.soft}>{took(started_at, finished_at)}</span>
      </summary>
      {isOpen && (
        <>
          <Value
            title={error ? "Error" : "Output"}
            value={error ? `${error.code}: ${error.message}` : value}
            isCut={preview !== undefined && preview !== null}
          />
          <BodyNodes
            nodes={nodes}
            executionId={outer.executionId}
            path={iterationPath(outer.path, outer.nodeId, index)}
          />
        </>
      )}
    </details>
  )
}

const took = (from: unknown, to: unknown): string =>
  typeof from === "string" && typeof to === "string"
    ? duration(Date.parse(to) - Date.parse(from))
    : ""

/** As the API tells iterations apart. */
const iterationPath = (path: string, nodeId: string, index: number): string =>
  `${path === "" ? "" : `${path}.`}${nodeId}[${index}]`

/** The nodes of one iteration, with the iterations of loops and maps among them. */
function BodyNodes(props: { nodes: Json[]; executionId: string; path: string }) {
  if (props.nodes.length === 0) return null
  return (
    <ul className={styles.bodyNodes} aria-label={`Nodes of ${props.path}`}>
      {props.nodes.map((node) => {
        const id = textOf(node.id) ?? ""
        const status = textOf(node.status) ?? "pending"
        const message = textOf(objectOf(node.error).message)
        return (
          <li key={id}>
            <p>
              <StatusIcon status={status} size={14} />
              <code>{id}</code>
              <span className={styles.soft}>{took(node.started_at, node.finished_at)}</span>
            </p>
            {message !== null && <p className={styles.bad}>{message}</p>}
            {(node.type === "loop" || node.type === "map") && status !== "skipped" && (
              <Iterations
                executionId={props.executionId}
                nodeId={id}
                path={props.path}
                progress=""
                version={0}
              />
            )}
          </li>
        )
      })}
    </ul>
  )
}
