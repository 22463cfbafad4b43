import { api, unwrap, unwrapTagged, type Schemas } from "../api/client"
import { offHeap } from "../graph/layout"
import type { GraphEdge, GraphNode } from "../graph/model"
import type { Saved } from "./saver"
import type { Doc } from "./store"

type Workflow = Schemas["WorkflowOut"]

export function docOf(workflow: Workflow | Schemas["VersionOut"]): Doc {
  return {
    name: workflow.name,
    description: workflow.description,
    nodes: offHeap(workflow.nodes as unknown as GraphNode[]),
    edges: workflow.edges as unknown as GraphEdge[],
    timeout_s: workflow.timeout_s,
    max_parallel: workflow.max_parallel,
  }
}

export interface Opened {
  workflow: Workflow
  doc: Doc
  at: Saved
}

export async function openWorkflow(id: string): Promise<Opened> {
  const { body, etag } = await unwrapTagged(
    api.GET("/api/v1/workflows/{workflow_id}", { params: { path: { workflow_id: id } } }),
  )
  return opened(body, etag)
}

export const opened = (workflow: Workflow, etag: string | null): Opened => ({
  workflow,
  doc: docOf(workflow),
  at: { etag: etag ?? `"${workflow.version}"`, version: workflow.version },
})

export async function saveWorkflow(id: string, doc: Doc, etag: string): Promise<Saved> {
  const saved = await unwrapTagged(
    api.PUT("/api/v1/workflows/{workflow_id}", {
      params: { path: { workflow_id: id }, header: { "if-match": etag } },
      body: { ...doc, ...sent(doc) },
    }),
  )
  return opened(saved.body, saved.etag).at
}

export async function validateGraph(doc: Doc, signal: AbortSignal) {
  const found = await unwrap(
    api.POST("/api/v1/workflows/validate", {
      body: {
        ...sent(doc),
        timeout_s: doc.timeout_s,
        max_parallel: doc.max_parallel,
      },
      signal,
    }),
  )
  return found.issues
}

// the document's types are stricter about fields that a canvas keeps without reading them
const sent = (doc: Doc) =>
  ({ nodes: doc.nodes, edges: doc.edges }) as unknown as Required<
    Pick<Schemas["GraphIn"], "nodes" | "edges">
  >
