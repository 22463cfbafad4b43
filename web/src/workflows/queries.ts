import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { api, unwrap, type Schemas } from "../api/client"

export type WorkflowSummary = Schemas["WorkflowSummaryOut"]

const PAGE = 100

/** The caller's workflows, newest first; or those that others share with them. */
export function useWorkflows(shared: boolean) {
  return useInfiniteQuery({
    queryKey: ["workflows", { shared }],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/api/v1/workflows", {
          params: {
            query: { limit: PAGE, shared, ...(pageParam === "" ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  })
}

export function useTemplates() {
  return useQuery({
    queryKey: ["templates"],
    queryFn: () => unwrap(api.GET("/api/v1/templates")),
    staleTime: Infinity,
  })
}

/** A mutation after which lists of workflows are read again. */
export function useWorkflowChange<In, Out>(change: (given: In) => Promise<Out>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: change,
    onSuccess: () => {
      // not waited for: the caller goes on at once
      void queries.invalidateQueries({ queryKey: ["workflows"] })
    },
  })
}

/** What a new workflow begins with: a run of it does something. */
const BLANK = {
  nodes: [
    { id: "start", type: "start", position: { x: 0, y: 0 }, config: { name: "Start" } },
    { id: "output", type: "output", position: { x: 320, y: 0 }, config: { name: "Output" } },
  ],
  edges: [{ source: "start", target: "output" }],
}

export const createWorkflow = (name: string) =>
  unwrap(api.POST("/api/v1/workflows", { body: { name, description: "", ...BLANK } }))

export const createFromTemplate = (given: { id: string; name: string }) =>
  unwrap(
    api.POST("/api/v1/templates/{template_id}/use", {
      params: { path: { template_id: given.id } },
      body: { name: given.name },
    }),
  )

export const deleteWorkflow = (given: { id: string; cancel: boolean }) =>
  unwrap(
    api.DELETE("/api/v1/workflows/{workflow_id}", {
      params: {
        path: { workflow_id: given.id },
        query: { cancel_executions: given.cancel },
      },
    }),
  )

export interface ImportGiven {
  content: string
  format: Schemas["ImportFormat"]
  name: string | null
  dryRun: boolean
}

export const importDocument = (given: ImportGiven) =>
  unwrap(
    api.POST("/api/v1/workflows/import", {
      body: {
        content: given.content,
        format: given.format,
        name: given.name,
        dry_run: given.dryRun,
      },
    }),
  )

export async function duplicateWorkflow(id: string) {
  const found = await unwrap(
    api.GET("/api/v1/workflows/{workflow_id}", { params: { path: { workflow_id: id } } }),
  )
  return saveAsNew(`${found.name} (copy)`, found)
}

type GraphBody = Pick<
  Schemas["WorkflowOut"],
  "description" | "nodes" | "edges" | "timeout_s" | "max_parallel"
>

export const saveAsNew = (name: string, graph: GraphBody) =>
  unwrap(
    api.POST("/api/v1/workflows", {
      body: {
        name: name.slice(0, 200),
        description: graph.description,
        nodes: graph.nodes as Schemas["WorkflowIn"]["nodes"],
        edges: graph.edges as Schemas["WorkflowIn"]["edges"],
        timeout_s: graph.timeout_s,
        max_parallel: graph.max_parallel,
      },
    }),
  )
