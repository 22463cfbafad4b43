import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"

import { api, unwrap, type Schemas } from "../api/client"

export type ApiKey = Schemas["ApiKeyOut"]
export type NewApiKey = Schemas["NewApiKeyOut"]
export type Role = Schemas["Role"]
export type Secret = Schemas["SecretOut"]
export type Budget = Schemas["BudgetOut"]

const PAGE = 200

export const useSecrets = () =>
  useQuery({
    queryKey: ["secrets", "list"],
    queryFn: () => unwrap(api.GET("/api/v1/secrets")),
    retry: false,
  })

export const useApiKeys = () =>
  useQuery({
    queryKey: ["api-keys"],
    queryFn: () => unwrap(api.GET("/api/v1/api-keys", { params: { query: { limit: PAGE } } })),
    retry: false,
  })

export const useBudget = () =>
  useQuery({
    queryKey: ["budget"],
    queryFn: () => unwrap(api.GET("/api/v1/budgets")),
  })

export const useUsage = (from: string, groupBy: string) =>
  useQuery({
    queryKey: ["usage", "report", from, groupBy],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/usage", {
          params: { query: { from, group_by: groupBy, limit: PAGE } },
        }),
      ),
  })

/** A change after which lists of that key are read again. */
export function useChange<In, Out>(key: string, change: (given: In) => Promise<Out>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: change,
    onSuccess: () => queries.invalidateQueries({ queryKey: [key] }),
  })
}

export const putSecret = (body: { name: string; value: string }) =>
  unwrap(api.POST("/api/v1/secrets", { body }))

export const deleteSecret = (name: string) =>
  unwrap(api.DELETE("/api/v1/secrets/{name}", { params: { path: { name } } }))

export const createApiKey = (body: { name: string; role: Role; expires_at: string | null }) =>
  unwrap(api.POST("/api/v1/api-keys", { body }))

export const revokeApiKey = (key_id: string) =>
  unwrap(api.DELETE("/api/v1/api-keys/{key_id}", { params: { path: { key_id } } }))

export const putBudget = (body: { tokens_per_day: number | null; usd_per_day: number | null }) =>
  unwrap(api.PUT("/api/v1/budgets", { body }))
