import { api, unwrap } from "../api/client"

export type ExportFormat = "pilot" | "reactflow" | "mermaid"

const ENDINGS: Record<ExportFormat, string> = {
  pilot: "json",
  reactflow: "reactflow.json",
  mermaid: "mmd",
}

/** Hands a workflow to the browser as a file. */
export async function downloadWorkflow(id: string, name: string, format: ExportFormat) {
  const text = await unwrap(
    api.GET("/api/v1/workflows/{workflow_id}/export", {
      params: { path: { workflow_id: id }, query: { format } },
      parseAs: "text",
    }),
  )
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text]))
  link.download = `${fileName(name)}.${ENDINGS[format]}`
  link.click()
  URL.revokeObjectURL(link.href)
}

export function fileName(name: string): string {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/^_+|_+$/g, "") || "workflow"
}
