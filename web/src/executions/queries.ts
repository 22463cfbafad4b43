import { useInfiniteQuery, useQuery } from "@tanstack/react-query"

import { api, unwrap, type Schemas } from "../api/client"
import { dayOf, sinceOf, type Filters } from "./filters"

export type ExecutionSummary = Schemas["ExecutionSummaryOut"]

const PAGE = 50
const REFRESH_MS = 5_000

/** The executions that pass the filters, newest first and kept up to date. */
export function useExecutions(filters: Filters) {
  return useInfiniteQuery({
    queryKey: ["executions", filters],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/api/v1/executions", {
          params: {
            query: {
              limit: PAGE,
              from: dayOf(sinceOf(filters.days)),
              ...(filters.workflow === null ? {} : { workflow_id: filters.workflow }),
              ...(filters.status === null ? {} : { status: filters.status }),
              ...(pageParam === "" ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    // whoever has read on is not disturbed
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 1) === 1 ? REFRESH_MS : false),
  })
}

/** How many were begun on each day, by status. */
export function useRunsByDay(filters: Filters) {
  return useQuery({
    queryKey: ["usage", "executions", filters.days, filters.workflow],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/usage/executions", {
          params: {
            query: {
              from: dayOf(sinceOf(filters.days)),
              ...(filters.workflow === null ? {} : { workflow_id: filters.workflow }),
            },
          },
        }),
      ),
    refetchInterval: 6 * REFRESH_MS,
  })
}

/** What models cost on each day: of one workflow, or of all. */
export function useSpendByDay(filters: Filters) {
  return useQuery({
    queryKey: ["usage", "days", filters.days],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/usage", {
          params: {
            query: {
              from: dayOf(sinceOf(filters.days)),
              group_by: "day,workflow",
              limit: 200,
            },
          },
        }),
      ),
    select: (report) => {
      const spend = new Map<string, number>()
      for (const row of report.items) {
        if (filters.workflow !== null && row.workflow_id !== filters.workflow) continue
        if (row.day == null) continue
        spend.set(row.day, (spend.get(row.day) ?? 0) + row.cost_usd)
      }
      return spend
    },
    refetchInterval: 6 * REFRESH_MS,
  })
}
