import { useQuery } from "@tanstack/react-query"

import { api, unwrap, type Schemas } from "../api/client"

export type Wait = Schemas["WaitOut"]

const REFRESH_MS = 2_000

/** The node of the run's own graph that something inside of it belongs to: of `each[3].improve[0]`
 * the map `each`, of a tool's call `agent#0.1` the node that calls. */
export const rootOf = (place: { node_id: string; path?: string }): string =>
  /^[^[#]+/.exec(place.path ?? "")?.[0] ?? place.node_id

/** What waits inside of a node: in its body, or in the run `childId` that it has begun. */
export function waitsInside(waits: readonly Wait[], nodeId: string, childId: string | null) {
  return waits.filter(
    (one) =>
      one.execution_id === childId ||
      (childId === null && (one.path ?? "") !== "" && rootOf(one) === nodeId),
  )
}

/** What the run waits for now, asked anew every two seconds while `isAsked`. */
export function useWaits(executionId: string, isAsked: boolean) {
  return useQuery({
    queryKey: ["executions", executionId, "waits"],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/executions/{execution_id}/waits", {
          params: { path: { execution_id: executionId } },
        }),
      ),
    enabled: isAsked,
    refetchInterval: REFRESH_MS,
  })
}
