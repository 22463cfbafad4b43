import { useMutation } from "@tanstack/react-query"
import { Pin, PinOff, Play } from "lucide-react"
import { useState } from "react"
import { Link } from "react-router"
import { api, unwrap } from "../api/client"
import { messageOf, Problem } from "../api/problem"
import { JsonField } from "../forms/JsonField"
import { graphAt, type GraphNode } from "../graph/model"
import { parentsOf } from "../graph/upstream"
import { Badge } from "../ui/Badge"
import { Button } from "../ui/Button"
import { useCanvas, useEditing } from "./context"
import styles from "./panel.module.css"

const WAIT_S = 30

/** One node alone (docs/retry.md), and the output that stands in for it while a draft is worked
 * on. */
export function TestTab({ node }: { node: GraphNode }) {
  const { id, canvas, saver } = useEditing()
  const pinnedAbove = useCanvas((state) => {
    const graph = graphAt(state.doc, state.path)
    const parents = graph ? parentsOf(graph, node.id) : []
    return parents.length === 1 ? parents[0]?.pinned?.output : undefined
  })
  const [input, setInput] = useState<unknown>(pinnedAbove)
  const run = useMutation({
    mutationFn: async () => {
      if (!(await saver.getState().flush())) {
        throw new Error("The draft could not be saved, and what is tried is the saved one.")
      }
      return unwrap(
        api.POST("/api/v1/workflows/{workflow_id}/nodes/{node_id}/test", {
          params: { path: { workflow_id: id, node_id: node.id }, query: { wait: WAIT_S } },
          body: { input: input ?? null },
        }),
      )
    },
  })
  const pin = (pinned: GraphNode["pinned"] | undefined) =>
    canvas.getState().update(node.id, (one) => {
      const { pinned: _, ...rest } = one
      return pinned == null ? rest : { ...one, pinned }
    })

  const result = run.data?.nodes.find((one) => one.id === node.id)
  const issues = run.error instanceof Problem ? run.error.issues : []
  return (
    <>
      <JsonField
        label="Input"
        hint="What the node gets as {input}, as JSON."
        value={input}
        lines={4}
        onChange={setInput}
      />
      <div>
        <Button
          variant="primary"
          icon={<Play size={15} />}
          busy={run.isPending}
          onClick={() => run.mutate()}
        >
          Test this node
        </Button>
      </div>
      {run.isError && (
        <div role="alert" className={styles.issue} data-severity="error">
          {messageOf(run.error)}
          {issues.map((issue, index) => (
            <div key={index}>{issue.message}</div>
          ))}
        </div>
      )}
      {run.data && (
        <section className={styles.result} aria-label="Result">
          <header>
            <Badge
              tone={run.data.status === "succeeded" ? "ok" : (TONES[run.data.status] ?? "info")}
            >
              {run.data.status}
            </Badge>
            <Link to={`/executions/${run.data.id}`}>The run</Link>
            {result !== undefined && run.data.status === "succeeded" && (
              <Button
                size="small"
                icon={<Pin size={14} />}
                onClick={() => pin({ output: result.output })}
              >
                Pin this output
              </Button>
            )}
          </header>
          {run.data.error && <p className={styles.wrong}>{run.data.error.message}</p>}
          {result !== undefined && <pre>{JSON.stringify(result.output, null, 2)}</pre>}
        </section>
      )}
      {node.pinned != null && (
        <section className={styles.pinned}>
          <JsonField
            label="Pinned output"
            hint="Runs with “use pins” take it instead of running the node."
            value={node.pinned.output}
            onChange={(output) => pin({ ...node.pinned, output })}
          />
          <div>
            <Button size="small" icon={<PinOff size={14} />} onClick={() => pin(null)}>
              Unpin
            </Button>
          </div>
        </section>
      )}
      {node.pinned == null && (
        <div>
          <Button
            size="small"
            variant="ghost"
            icon={<Pin size={14} />}
            onClick={() => pin({ output: null })}
          >
            Pin an output by hand
          </Button>
        </div>
      )}
    </>
  )
}

const TONES: Record<string, "error" | "warn"> = {
  failed: "error",
  timed_out: "error",
  cancelled: "warn",
}
