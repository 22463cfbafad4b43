import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useNavigate } from "react-router"

import { api, unwrap } from "../api/client"
import { useToast } from "../ui/Toast"
import { executionKey } from "./useRun"

/** What can be done to a run. Its status follows by the run's own events. */
export function useRunActions(id: string) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const toast = useToast()
  const params = { path: { execution_id: id } }
  const asked = {
    onSuccess: () => queries.invalidateQueries({ queryKey: executionKey(id) }),
    onError: toast.complain,
  }
  return {
    cancel: useMutation({
      mutationFn: () => unwrap(api.POST("/api/v1/executions/{execution_id}/cancel", { params })),
      ...asked,
    }),
    pause: useMutation({
      mutationFn: () => unwrap(api.POST("/api/v1/executions/{execution_id}/pause", { params })),
      ...asked,
    }),
    resume: useMutation({
      mutationFn: () => unwrap(api.POST("/api/v1/executions/{execution_id}/resume", { params })),
      ...asked,
    }),
    /** In a new run: what failed, or from a node on. */
    retry: useMutation({
      mutationFn: (from: string | null) =>
        unwrap(
          api.POST("/api/v1/executions/{execution_id}/retry", {
            params: { ...params, header: { "idempotency-key": crypto.randomUUID() } },
            body: { version: "same", ...(from !== null && { from: [from] }) },
          }),
        ),
      onSuccess: (execution) => {
        void queries.invalidateQueries({ queryKey: ["executions"] })
        void navigate(`/executions/${execution.id}`)
      },
      onError: toast.complain,
    }),
  }
}
