import { Trash2, X } from "lucide-react"
import { useMemo, useState } from "react"
import { useSecretNames, type NodeTypes } from "../api/hooks"
import { FormContext } from "../forms/context"
import type { Schema } from "../forms/schema"
import { SchemaFields } from "../forms/SchemaField"
import { iconOf } from "../graph/icons"
import { bodyOf, graphAt, type GraphNode } from "../graph/model"
import { namesInScope } from "../graph/names"
import { Button, IconButton } from "../ui/Button"
import { Prose } from "../ui/Prose"
import { useWorkflows } from "../workflows/queries"
import { useCanvas, useEditing } from "./context"
import { containers } from "./flow"
import styles from "./panel.module.css"
import { Running } from "./Running"
import { TestTab } from "./TestTab"

/** What is asked for first, of the types that ask for much. */
const FIRST: Record<string, string[]> = {
  llm: ["model", "prompt_template", "system_template", "temperature", "tools"],
  http: ["method", "url", "headers", "body", "auth"],
  approval: ["title", "description", "approvers", "timeout"],
  wait: ["duration", "until", "signal", "webhook", "timeout"],
  map: ["items", "parallelism", "on_item_error"],
  loop: ["initial", "condition", "max_iterations"],
  code: ["source"],
}
/** Edited elsewhere: the name at the top, the body as a drawing of its own. */
const ELSEWHERE = new Set(["name", "body"])

type Tab = "configure" | "running" | "test"
const TABS: [Tab, string][] = [
  ["configure", "Configure"],
  ["running", "Errors and retries"],
  ["test", "Test"],
]

/** The chosen node: its configuration, how it runs, and a try of it alone. */
export function NodePanel({ types }: { types: NodeTypes }) {
  const selected = useCanvas((state) => state.selected)
  const path = useCanvas((state) => state.path)
  const [id] = selected
  const node = useCanvas((state) =>
    selected.size === 1
      ? graphAt(state.doc, state.path)?.nodes.find((one) => one.id === id)
      : undefined,
  )
  if (!node) return null
  return <Panel key={[...path, node.id].join("/")} node={node} types={types} />
}

function Panel({ node, types }: { node: GraphNode; types: NodeTypes }) {
  const { canvas, readOnly } = useEditing()
  const path = useCanvas((state) => state.path)
  const [tab, setTab] = useState<Tab>("configure")
  const type = types.get(node.type)
  const Icon = iconOf(type?.icon)
  const name = node.config?.name
  const { update, select, remove } = canvas.getState()

  return (
    <aside className={styles.panel} aria-label="The chosen node">
      <header
        className={styles.head}
        style={{ "--cat": `var(--cat-${type?.category ?? "control"})` } as React.CSSProperties}
      >
        <span className={styles.icon} aria-hidden>
          <Icon size={18} />
        </span>
        <div className={styles.names}>
          <input
            className={styles.name}
            aria-label="Name"
            placeholder={node.id}
            maxLength={200}
            value={typeof name === "string" ? name : ""}
            onChange={(event) => {
              const text = event.target.value
              update(node.id, (one) => withName(one, text), "name")
            }}
          />
          <span className={styles.type}>
            {type?.title ?? node.type} · <code>{node.id}</code>
          </span>
        </div>
        <IconButton
          size="small"
          label="Delete node"
          shortcut="Del"
          icon={<Trash2 size={16} />}
          onClick={() => remove([node.id])}
        />
        <IconButton
          size="small"
          label="Close"
          shortcut="Esc"
          icon={<X size={17} />}
          onClick={() => select([])}
        />
      </header>
      <div className={styles.tabs} role="tablist" aria-label="About the node">
        {TABS.map(([value, label]) => (
          <button
            key={value}
            type="button"
            role="tab"
            aria-selected={tab === value}
            onClick={() => setTab(value)}
          >
            {label}
          </button>
        ))}
      </div>
      <div className={styles.content} role="tabpanel" tabIndex={0}>
        {/* editors of code are no form controls, which a fieldset could disable */}
        <div inert={readOnly}>
          {tab === "configure" && <Configure node={node} types={types} />}
          {tab === "running" && <Running node={node} type={type} />}
        </div>
        {tab === "test" && path.length === 0 && <TestTab node={node} />}
        {tab === "test" && path.length > 0 && (
          <p className={styles.text}>
            Nodes inside of a loop or a map are tried with the whole: test the node around them.
          </p>
        )}
      </div>
    </aside>
  )
}

function withName(node: GraphNode, name: string): GraphNode {
  const { name: _, ...config } = node.config ?? {}
  return { ...node, config: name === "" ? config : { name, ...config } }
}

function Configure({ node, types }: { node: GraphNode; types: NodeTypes }) {
  const { canvas, id: workflowId } = useEditing()
  const path = useCanvas((state) => state.path)
  const all = useCanvas((state) => state.issues)
  const graphNodes = useCanvas((state) => graphAt(state.doc, state.path)?.nodes)
  const secrets = useSecretNames()
  const workflows = useWorkflows(false)
  const type = types.get(node.type)
  const schema = type?.config as Schema | undefined

  const issues = useMemo(
    () =>
      all.filter(
        (issue) => issue.node_id === node.id && containers(issue).join("/") === path.join("/"),
      ),
    [all, node.id, path],
  )
  const form = useMemo(
    (): FormContext => ({
      defs: schema?.$defs ?? {},
      issues,
      names: (allowed) =>
        namesInScope({ root: canvas.getState().doc, path, id: node.id }, allowed, secrets),
      choices: {
        workflow_id: (workflows.data?.pages.flatMap((page) => page.items) ?? [])
          .filter((one) => one.id !== workflowId)
          .map((one) => [one.id, one.name]),
        node: (graphNodes ?? [])
          .filter((one) => one.id !== node.id && types.get(one.type)?.usable_as_tool === true)
          .map((one) => [one.id, one.id]),
      },
    }),
    [schema, issues, canvas, path, node.id, secrets, workflows.data, workflowId, graphNodes, types],
  )

  if (!type || !schema) {
    return (
      <p className={styles.text}>
        This server has no node type <code>{node.type}</code>. The node keeps all that it holds; a
        workflow with it cannot run.
      </p>
    )
  }

  const change = (config: unknown) => {
    canvas
      .getState()
      .update(node.id, (one) => ({ ...one, config: config as Record<string, unknown> }), "config")
  }
  const first = FIRST[node.type]
  const isFirst = (name: string) =>
    !ELSEWHERE.has(name) && (first === undefined || first.includes(name))
  const isMore = (name: string) => !ELSEWHERE.has(name) && !isFirst(name)
  const rest = Object.keys(schema.properties ?? {}).filter(isMore)
  const isUsed = rest.some(
    (name) =>
      node.config?.[name] !== undefined ||
      issues.some((issue) => issue.field?.startsWith(`config.${name}`)),
  )
  const stray = issues.filter((issue) => !hasField(issue.field, schema))
  const fields = { schema, path: "config", value: node.config, onChange: change }

  return (
    <FormContext.Provider value={form}>
      <p className={styles.text}>
        <Prose>{type.description}</Prose>
      </p>
      {stray.map((issue, index) => (
        <p key={index} className={styles.issue} data-severity={issue.severity} role="note">
          {issue.message}
        </p>
      ))}
      {node.type === "condition" && <Branching node={node} onChange={change} />}
      <SchemaFields {...fields} only={(name) => isFirst(name) && !isOtherWay(node, name)} />
      {type.has_body && (
        <Button onClick={() => canvas.getState().open([...path, node.id])}>
          Open its body ({bodyOf(node).nodes.length} nodes)
        </Button>
      )}
      {rest.length > 0 && (
        <details className={styles.more} open={isUsed || undefined}>
          <summary>More options</summary>
          <div className={styles.moreFields}>
            <SchemaFields {...fields} only={isMore} />
          </div>
        </details>
      )}
    </FormContext.Provider>
  )
}

const hasField = (field: string | null | undefined, schema: Schema) => {
  const name = /^config\.(\w+)/.exec(field ?? "")?.[1]
  return name !== undefined && name !== "body" && schema.properties?.[name] !== undefined
}

/** A condition has either an expression or cases: the one that it has not is not shown. */
const isOtherWay = (node: GraphNode, name: string) =>
  node.type === "condition" && name === (Array.isArray(node.config?.cases) ? "expression" : "cases")

function Branching(props: { node: GraphNode; onChange: (config: unknown) => void }) {
  const { expression, cases, ...rest } = props.node.config ?? {}
  const several = Array.isArray(cases)
  const [first] = several ? (cases as { expression?: unknown }[]) : []
  return (
    <div className={styles.choice} role="group" aria-label="Branches">
      <Button
        size="small"
        variant="ghost"
        aria-pressed={!several}
        onClick={() => {
          if (several) props.onChange({ ...rest, expression: first?.expression ?? "" })
        }}
      >
        True or false
      </Button>
      <Button
        size="small"
        variant="ghost"
        aria-pressed={several}
        onClick={() => {
          if (!several) {
            const one = { handle: "case_1", expression: expression ?? "" }
            props.onChange({ ...rest, cases: [one] })
          }
        }}
      >
        Several cases
      </Button>
    </div>
  )
}
