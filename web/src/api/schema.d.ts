// Made by `make api-types` from the API's OpenAPI document.

export interface paths {
    "/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Root
         * @description The service's name, version and links.
         */
        get: operations["root"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/api-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Api Keys
         * @description All keys, also revoked and expired ones, newest first.
         */
        get: operations["list_api_keys"];
        put?: never;
        /**
         * Create Api Key
         * @description Makes a key for a program, which sends it as `Authorization: Bearer`. It acts for you, or
         *     for the organisation that you are in, and is shown this once.
         */
        post: operations["create_api_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/api-keys/{key_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke Api Key
         * @description Revokes a key for good. It is refused everywhere within ten seconds.
         */
        delete: operations["revoke_api_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Approvals
         * @description What waits for the caller, newest first: approvals that name them, or that their role
         *     answers, and that they have not answered.
         */
        get: operations["list_approvals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/budgets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Budget
         * @description The caller's budget over all workflows, and what of it is used today.
         */
        get: operations["read_budget"];
        /**
         * Put Budget
         * @description Sets the caller's budget. It may not be above the operator's ceiling.
         */
        put: operations["put_budget"];
        post?: never;
        /**
         * Delete Budget
         * @description Removes the caller's budget; the operator's ceiling stays.
         */
        delete: operations["delete_budget"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/codec/decode": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Decode
         * @description The caller's payloads, brought from the payload store and decrypted; all others as they
         *     came.
         */
        post: operations["decode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/codec/encode": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Encode
         * @description The payloads encrypted for the caller alone: for signals sent by hand.
         */
        post: operations["encode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Executions
         * @description The caller's executions that no other execution began, newest first; with `workflow_id`
         *     those of a workflow, which may be one that somebody shares with the caller.
         */
        get: operations["list_executions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export Executions
         * @description The caller's executions with all that they own, as in the operator's archive; those
         *     that are still open too, as they are when their turn comes.
         */
        get: operations["export_executions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Execution
         * @description A run with all its nodes.
         */
        get: operations["read_execution"];
        put?: never;
        post?: never;
        /**
         * Delete Execution
         * @description Deletes a run that has ended, with its nodes and events, and what Temporal has of it.
         */
        delete: operations["delete_execution"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Execution Approvals
         * @description All of a run's approvals, the oldest first, on one page; also those that are decided.
         */
        get: operations["list_execution_approvals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/approvals/{node_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Answer Approval
         * @description Approves or rejects. Of answers that come at once one decides; the others are told (409)
         *     which.
         */
        post: operations["answer_approval"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel Execution
         * @description Asks the run to end. Its status is `cancelled` once its nodes have ended.
         */
        post: operations["cancel_execution"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/children": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Children
         * @description The executions that the nodes of this one began, newest first. Of somebody else's, those
         *     whose workflow is shared with the caller too.
         */
        get: operations["list_children"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream Events
         * @description Server-sent events from the first on, or from after `Last-Event-ID` (or `last_seq`);
         *     `id:` is `seq`. Ends with the run.
         */
        get: operations["stream_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/nodes/{node_id}/iterations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Iterations
         * @description The iterations of a loop or a map that have ended, in order; while it runs they come in
         *     batches.
         */
        get: operations["list_iterations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/nodes/{node_id}/output": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Node Output
         * @description The output of a node of a run, whole.
         */
        get: operations["read_node_output"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/output": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Output
         * @description The output of a run, whole, as it is in `output` where it is not too large for that; null
         *     for one that has none yet.
         */
        get: operations["read_output"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Pause Execution
         * @description Starts no further node until `resume`; nodes that run go on to their end.
         */
        post: operations["pause_execution"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resume Execution
         * @description Goes on after `pause`.
         */
        post: operations["resume_execution"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry Execution
         * @description Goes on from an execution that has ended, in a new one: the nodes that failed, or those to
         *     begin at and all below them, are run again; the others keep what they came to.
         */
        post: operations["retry_execution"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/signals/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send Signal
         * @description Sends a signal to every wait node of that name, and says what came of it at each. What the
         *     run does not wait for yet is kept until it does.
         */
        post: operations["send_signal"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/executions/{execution_id}/waits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Waits
         * @description What the run waits for now: its nodes, also inside of loops and maps, and those of the
         *     executions that it waits for, as far as the caller may see them. Empty of one that has ended.
         */
        get: operations["list_waits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/hooks/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive Hook
         * @description Answers a node that waits for a webhook. The payload is any JSON, of 256 KB at most; where it
         *     is taken, that is durable by the time of the answer.
         */
        post: operations["receive_hook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Delete Me
         * @description Deletes all that is the caller's: runs that are open are cancelled, then workflows,
         *     executions, secrets, API keys, shares and usage go, and what Temporal has of them. It cannot
         *     be taken back. Asked again while it runs, it is the same deletion.
         */
        delete: operations["delete_me"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/deletion": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Deletion
         * @description How far the deletion of the caller's data is.
         */
        get: operations["read_deletion"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/node-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Node Types
         * @description Every installed node type.
         */
        get: operations["list_node_types"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schema/graph.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Graph Schema
         * @description The JSON Schema (2020-12) of a workflow's file, with every installed node type: for editors,
         *     which a file tells by `$schema`.
         */
        get: operations["read_graph_schema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/secrets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Secrets
         * @description All of the caller's secrets by name, on one page, without their values.
         */
        get: operations["list_secrets"];
        put?: never;
        /**
         * Put Secret
         * @description Stores a value, encrypted, for `{secrets.NAME}` in the configuration of llm and http
         *     nodes. A secret of that name is replaced (200). A user has at most 200.
         */
        post: operations["put_secret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/secrets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Delete Secret
         * @description Removes a secret. A run that has yet to use it fails there (`missing_secret`).
         */
        delete: operations["delete_secret"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/templates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Templates
         * @description All templates, on one page, without their graphs.
         */
        get: operations["list_templates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/templates/{template_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Template
         * @description A template with its graph.
         */
        get: operations["read_template"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/templates/{template_id}/use": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Use Template
         * @description Saves a template's graph as a workflow of the caller's, and before it those that it calls:
         *     as workflows of their own, under their own names.
         */
        post: operations["use_template"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tickets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give Ticket
         * @description A ticket for one WebSocket of the caller's, good for 30 seconds. The connection then holds as
         *     long as the token that asked for it.
         */
        post: operations["give_ticket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Triggers
         * @description The caller's schedules and webhooks, newest first; with `workflow_id` those of a workflow,
         *     which may be one that somebody shares with the caller.
         */
        get: operations["list_triggers"];
        put?: never;
        /**
         * Create Trigger
         * @description Makes a schedule or a webhook of a workflow. A webhook's token is shown this once, and again
         *     to the same request with its `Idempotency-Key`. Where Temporal does not answer, a schedule is
         *     `pending` until it does.
         */
        post: operations["create_trigger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{trigger_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Trigger
         * @description A trigger; a schedule with its next times, as Temporal works them out.
         */
        get: operations["read_trigger"];
        /**
         * Update Trigger
         * @description Replaces what a trigger does. With `If-Match` or `revision` a change that would overwrite
         *     somebody else's is refused (409).
         */
        put: operations["update_trigger"];
        post?: never;
        /**
         * Delete Trigger
         * @description Removes a trigger. What it has begun goes on.
         */
        delete: operations["delete_trigger"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{trigger_id}/backfill": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Backfill Trigger
         * @description Runs all of a schedule's times in a spell of the past. One that has had its run keeps it.
         */
        post: operations["backfill_trigger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{trigger_id}/executions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Triggered
         * @description What a trigger has begun, newest first.
         */
        get: operations["list_triggered"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{trigger_id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Pause Trigger
         * @description Begins nothing until `resume`. A paused webhook answers as if it were not there.
         */
        post: operations["pause_trigger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{trigger_id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resume Trigger
         * @description Goes on after `pause`. What was missed meanwhile is not made up for: see `backfill`.
         */
        post: operations["resume_trigger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{trigger_id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rotate Trigger
         * @description Gives a webhook another token. The old one is refused from now on.
         */
        post: operations["rotate_trigger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{trigger_id}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Run Trigger
         * @description One run more of a schedule, now, by its own overlap policy; paused or not.
         */
        post: operations["run_trigger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Usage
         * @description What the caller's model calls took: tokens and US dollars, failed calls too. At most 366
         *     days.
         */
        get: operations["read_usage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage/executions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Days
         * @description How many executions were begun on each day, by their status: the caller's that no other
         *     execution began, or those of a workflow. At most 366 days.
         */
        get: operations["read_days"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Answer Challenge
         * @description Answers `hub.challenge`, by which a service makes sure of the address, where the webhook's
         *     `challenge` is `hub`. Begins nothing.
         */
        get: operations["answer_challenge"];
        put?: never;
        /**
         * Call Webhook
         * @description Begins a run. Answers 202 with its id, or 200 with its output where the webhook lets callers
         *     `wait` and it ended in time. The same delivery again gives the same run.
         */
        post: operations["call_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Workflows
         * @description The caller's workflows, newest first, without their graphs.
         */
        get: operations["list_workflows"];
        put?: never;
        /**
         * Create Workflow
         * @description Saves a graph as version 1. A draft with issues is saved too; they come back.
         */
        post: operations["create_workflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Import Workflow
         * @description Saves a document of πlot, React Flow, Dify or n8n as a workflow, and says what could not be
         *     carried. Nothing of it is executed or fetched. The body is the document itself (JSON or YAML,
         *     with format, name and dry_run in the query), or an object that holds it as `content`.
         */
        post: operations["import_workflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/validate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Validate Graph
         * @description All issues of a graph, by the validator that saving and executing use.
         */
        post: operations["validate_graph"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Workflow
         * @description A workflow at its newest version.
         */
        get: operations["read_workflow"];
        /**
         * Update Workflow
         * @description Replaces a workflow by a new version. With `If-Match` or `version` a save that would
         *     overwrite somebody else's is refused (409, and `current` says what is there); the same content
         *     makes no new version. What is published stays published.
         */
        put: operations["update_workflow"];
        post?: never;
        /**
         * Delete Workflow
         * @description Removes a workflow. Its executions stay readable; while one is open it is refused, or
         *     cancels them first, as asked.
         */
        delete: operations["delete_workflow"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/budget": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Workflow Budget
         * @description One workflow's budget, and what of it is used today.
         */
        get: operations["read_workflow_budget"];
        /**
         * Put Workflow Budget
         * @description Sets one workflow's budget. The caller's own holds beside it.
         */
        put: operations["put_workflow_budget"];
        post?: never;
        /**
         * Delete Workflow Budget
         * @description Removes one workflow's budget; the caller's own stays.
         */
        delete: operations["delete_workflow_budget"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/execute": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Execute Workflow
         * @description Runs the published version, the newest where none ever was, or the one that `version`
         *     names (a runner only what is published, or was). Answers 202 at once, or 200 when `wait` saw it
         *     finish, or with `stream` 200 and the run's events, of which a client that comes again with its
         *     `Idempotency-Key` and `Last-Event-ID` is given the rest. Who hangs up cancels nothing.
         */
        post: operations["execute_workflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export Workflow
         * @description A workflow at its newest version, as a file. Secrets are in it by their names only.
         */
        get: operations["export_workflow"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/nodes/{node_id}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Test Node
         * @description Runs one node of the newest version alone, with given or recorded values: an execution of
         *     the mode `test`. The rest of the graph may be unfinished.
         */
        post: operations["test_node"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Openapi
         * @description The workflow as an API of its own: an OpenAPI 3.1 document whose one operation is its
         *     `execute`, with the start node's inputs as the request's schema; of the version that runs by
         *     default, and while the workflow is offline of the newest.
         */
        get: operations["read_openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/publish": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Publish Workflow
         * @description Makes a version the one that runs by default: the newest, or the one that is named, which
         *     may be older. A graph with errors is refused (422). With `If-Match` nothing is published where
         *     somebody saved in between, or, where the tag says what was published, published.
         */
        post: operations["publish_workflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/retention": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Retention
         * @description How long the workflow's executions are kept after their end.
         */
        get: operations["read_retention"];
        /**
         * Put Retention
         * @description Has the workflow's executions deleted earlier than the operator's policy does.
         */
        put: operations["put_retention"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/shares": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Shares
         * @description With whom the workflow is shared, on one page.
         */
        get: operations["list_shares"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/shares/{grantee}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Put Share
         * @description Shares the workflow with a user or an organisation, or changes their role. Its executions
         *     are shared with it; what it costs stays its owner's. A user may be named by the e-mail address
         *     that they signed up with, where the operator has set CLERK_SECRET_KEY.
         */
        put: operations["put_share"];
        post?: never;
        /**
         * Delete Share
         * @description Shares it no longer. Runs that they started go on.
         */
        delete: operations["delete_share"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/unpublish": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Unpublish Workflow
         * @description Takes the workflow offline: `execute` is refused (409) until a version is published again,
         *     but for an editor who names one. Runs that have begun go on.
         */
        post: operations["unpublish_workflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Versions
         * @description The workflow's versions, newest first, without their graphs.
         */
        get: operations["list_versions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/versions/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Diff Versions
         * @description What is different in the second version; by default what publishing the newest would
         *     change.
         */
        get: operations["diff_versions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/versions/{version}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read Version
         * @description A version as it was saved.
         */
        get: operations["read_version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}/versions/{version}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Restore Version
         * @description Saves an old version's name, description and graph as the newest version. With `If-Match`
         *     not over what somebody else saved. What is published stays published.
         */
        post: operations["restore_version"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Health
         * @description Each part with its state and latency. 200 while requests can be served, degraded or
         *     not; 503 when the store is down.
         */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Live
         * @description The process answers. Nothing else is asked: no restart brings a database back.
         */
        get: operations["live"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Ready
         * @description Whether requests should be sent here: the store answers, and the keys of the tokens'
         *     issuer are known. 503 also from SIGTERM on. Temporal and the bus do not count: without them
         *     reading goes on, and every other process lacks them too.
         */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * AnswerIn
         * @example {
         *       "decision": "approved"
         *     }
         */
        AnswerIn: {
            /** Comment */
            comment?: string | null;
            /**
             * Decision
             * @enum {string}
             */
            decision: "approved" | "rejected";
            /**
             * Path
             * @description Which iteration's, inside loops and maps.
             * @default
             */
            path?: string;
            /** @description What the form asks for. */
            values?: components["schemas"]["JsonValue"];
        };
        /**
         * AnswerOut
         * @description What the answer came to: decided, or `waiting` for others.
         */
        AnswerOut: {
            /** Approvals */
            approvals: number;
            /** Required */
            required: number;
            /**
             * Status
             * @enum {string}
             */
            status: "approved" | "rejected" | "waiting";
        };
        /**
         * ApiKeyIn
         * @example {
         *       "name": "nightly build"
         *     }
         */
        ApiKeyIn: {
            /**
             * Expires At
             * @description From when on the key is refused; null: never.
             */
            expires_at?: string | null;
            /** Name */
            name: string;
            /**
             * @description What the key may do: at most what you may. `viewer` reads, `runner` also runs workflows, `editor` also writes them, `admin` everything.
             * @default runner
             */
            role?: components["schemas"]["Role"];
        };
        /**
         * ApiKeyOut
         * @description A key without itself: `hint` are its last characters.
         */
        ApiKeyOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /** Expires At */
            expires_at: string | null;
            /** Hint */
            hint: string;
            /** Id */
            id: string;
            /** Last Used At */
            last_used_at: string | null;
            /** Name */
            name: string;
            /** Revoked At */
            revoked_at: string | null;
            role: components["schemas"]["Role"];
        };
        /**
         * ApprovalOut
         * @description A node that asks people. `form` is a JSON Schema of the values that an approval brings.
         */
        ApprovalOut: {
            /**
             * Answered
             * @description Who has; how, the node's output says.
             */
            answered?: string[] | null;
            /** Approvals */
            approvals: number;
            /** Closed At */
            closed_at?: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Description */
            description: string | null;
            /** Execution Id */
            execution_id: string;
            /** Expires At */
            expires_at: string | null;
            form: components["schemas"]["JsonValue"];
            /** Node Id */
            node_id: string;
            /**
             * Path
             * @default
             */
            path?: string;
            /** Required */
            required: number;
            /** Title */
            title: string;
            /** Workflow Id */
            workflow_id?: string | null;
            /** Workflow Name */
            workflow_name?: string | null;
        };
        /**
         * BackfillIn
         * @description All of the schedule's times in a spell. One that has had its run is not run again.
         */
        BackfillIn: {
            /**
             * End At
             * Format: date-time
             */
            end_at: string;
            /**
             * @description By default one run after the other; `allow_all` has them run side by side.
             * @default buffer_all
             */
            overlap?: components["schemas"]["Overlap"];
            /**
             * Start At
             * Format: date-time
             */
            start_at: string;
        };
        /**
         * BodyDiffOut
         * @description What is different inside of a node that both versions have: a loop's or a map's body.
         */
        BodyDiffOut: {
            /**
             * Container
             * @description The nodes around it, the outermost first.
             * @example each/retry
             */
            container: string;
            cosmetic: components["schemas"]["CosmeticOut"];
            edges: components["schemas"]["EdgesDiffOut"];
            nodes: components["schemas"]["NodesDiffOut"];
        };
        /**
         * BudgetIn
         * @description A day's limits (UTC). Null, or left out: no limit of that kind. 0 allows no call.
         * @example {
         *       "tokens_per_day": 200000,
         *       "usd_per_day": 5
         *     }
         */
        BudgetIn: {
            /** Tokens Per Day */
            tokens_per_day?: number | null;
            /** Usd Per Day */
            usd_per_day?: number | null;
        };
        /**
         * BudgetOut
         * @description The budget as it was set; `effective` is what holds, under the operator's `ceiling`.
         */
        BudgetOut: {
            ceiling: components["schemas"]["LimitsOut"];
            effective: components["schemas"]["LimitsOut"];
            /**
             * Resets At
             * Format: date-time
             */
            resets_at: string;
            /** Tokens Per Day */
            tokens_per_day: number | null;
            /** Usd Per Day */
            usd_per_day: number | null;
            used: components["schemas"]["UsedOut"];
        };
        /**
         * CarriedOut
         * @description A node of the source and the node that it became.
         */
        CarriedOut: {
            /** Name */
            name: string;
            /** Node Id */
            node_id: string;
            /** Source Id */
            source_id: string;
            /** Source Type */
            source_type: string;
            /** Type */
            type: string;
        };
        /**
         * ChallengeConfig
         * @description How a service asks, before it calls a webhook, whether whoever has the address wants it.
         */
        ChallengeConfig: {
            /**
             * Kind
             * @description `slack`: a POST of the type `url_verification`, signed as all are; `hub`: a GET with `hub.challenge`, as WebSub and Meta have it. Both are answered with what they ask for, and begin no run.
             * @enum {string}
             */
            kind: "slack" | "hub";
            /**
             * Verify Token
             * @description The name of a stored secret that `hub.verify_token` has to be.
             */
            verify_token?: string | null;
        };
        /**
         * ChangeOut
         * @description One value, at its JSON Pointer (RFC 6901) inside the node, edge or workflow. `old` is null
         *     of what was added, `new` of what was removed.
         */
        ChangeOut: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "added" | "removed" | "changed";
            /** New */
            new: unknown;
            /** Old */
            old: unknown;
            /**
             * Path
             * @example /config/prompt_template
             */
            path: string;
        };
        /**
         * CosmeticOut
         * @description What no run would notice: positions, sizes, and whatever fields a canvas adds.
         */
        CosmeticOut: {
            /** Edges */
            edges: components["schemas"]["EdgeChangeOut"][];
            /** Nodes */
            nodes: components["schemas"]["NodeChangeOut"][];
            /** Nodes Reordered */
            nodes_reordered: boolean;
            /**
             * Settings
             * @description What stands beside a body's nodes and edges.
             */
            settings: components["schemas"]["ChangeOut"][];
        };
        /**
         * CurrentOut
         * @description What a workflow is by now, where a change to it came too late.
         */
        CurrentOut: {
            /**
             * Etag
             * @example "4"
             */
            etag: string;
            /** Published Version */
            published_version: number | null;
            /**
             * Saved At
             * Format: date-time
             */
            saved_at: string;
            /**
             * Saved By
             * @description The user; null where that was not noted.
             */
            saved_by: string | null;
            /** Version */
            version: number;
        };
        /**
         * DayOut
         * @description The executions that were begun on a day (UTC), all of them and by the status they have.
         */
        DayOut: {
            /**
             * Day
             * Format: date
             */
            day: string;
            /** Statuses */
            statuses: {
                [key: string]: number;
            };
            /** Total */
            total: number;
        };
        /**
         * DaysOut
         * @description Days without any are left out.
         */
        DaysOut: {
            /**
             * From
             * Format: date
             */
            from: string;
            /** Items */
            items: components["schemas"]["DayOut"][];
            /**
             * To
             * Format: date
             */
            to: string;
        };
        /**
         * DefaultOutput
         * @description `on_error: {"default": value}`: the node's output is `value` when it fails.
         */
        DefaultOutput: {
            default: components["schemas"]["JsonValue"];
        };
        /**
         * DeletionOut
         * @description The last deletion that was asked for: `none`, `running`, `done`, or `failed` (an operator
         *     ended it: ask again).
         */
        DeletionOut: {
            /**
             * Deleted
             * @description How many of each kind, once it is done.
             */
            deleted: {
                [key: string]: number;
            };
            /** Finished At */
            finished_at: string | null;
            /** Requested At */
            requested_at: string | null;
            /**
             * Status
             * @enum {string}
             */
            status: "none" | "running" | "done" | "failed";
        };
        /**
         * DeliveryOut
         * @description What came of a payload at one node: `accepted`; `buffered` (the run is not there yet);
         *     `no_match` (its condition does not hold, as `message` says); `invalid` (by its schema);
         *     `closed` (it waits no more).
         */
        DeliveryOut: {
            /** Message */
            message?: string | null;
            /** Node Id */
            node_id: string;
            /**
             * Path
             * @default
             */
            path?: string;
            /**
             * Status
             * @enum {string}
             */
            status: "accepted" | "buffered" | "no_match" | "invalid" | "closed";
        };
        /**
         * DiffOut
         * @description What is different in the second version. `is_same`: nothing at all; `is_cosmetic`: nothing
         *     but what is in `cosmetic`, here and in the bodies.
         */
        DiffOut: {
            /**
             * Bodies
             * @description Those in which anything is different.
             */
            bodies: components["schemas"]["BodyDiffOut"][];
            cosmetic: components["schemas"]["CosmeticOut"];
            edges: components["schemas"]["EdgesDiffOut"];
            /** From Version */
            from_version: number;
            /** Is Cosmetic */
            is_cosmetic: boolean;
            /** Is Same */
            is_same: boolean;
            nodes: components["schemas"]["NodesDiffOut"];
            /**
             * Settings
             * @description The workflow's own: name, time limit and so on.
             */
            settings: components["schemas"]["ChangeOut"][];
            /** To Version */
            to_version: number;
        };
        /**
         * DraftOut
         * @description What `dry_run` answers with instead of a workflow: what would be saved.
         */
        DraftOut: {
            /** Description */
            description: string;
            /** Edges */
            edges: {
                [key: string]: unknown;
            }[];
            /** Issues */
            issues: components["schemas"]["IssueOut"][];
            /** Max Parallel */
            max_parallel: number | null;
            /** Name */
            name: string;
            /** Nodes */
            nodes: {
                [key: string]: unknown;
            }[];
            /** Timeout S */
            timeout_s: number | null;
        };
        /**
         * Edge
         * @description An edge. Without a `source_handle` it leaves by the source's default handle.
         */
        Edge: {
            /** Source */
            source: string;
            /** Source Handle */
            source_handle?: string | null;
            /** Target */
            target: string;
        } & {
            [key: string]: unknown;
        };
        /** EdgeChangeOut */
        EdgeChangeOut: {
            /** Changes */
            changes: components["schemas"]["ChangeOut"][];
            /** Source */
            source: string;
            /** Source Handle */
            source_handle: string | null;
            /** Target */
            target: string;
        };
        /** EdgeOut */
        EdgeOut: {
            /** Source */
            source: string;
            /**
             * Source Handle
             * @default null
             */
            source_handle?: string | null;
            /** Target */
            target: string;
        };
        /**
         * EdgesDiffOut
         * @description `reordered`: edges that both versions have follow one another differently. Where parallel
         *     branches meet, their order decides which one's variable holds.
         */
        EdgesDiffOut: {
            /** Added */
            added: {
                [key: string]: unknown;
            }[];
            /** Removed */
            removed: {
                [key: string]: unknown;
            }[];
            /** Reordered */
            reordered: boolean;
        };
        /** ErrorOut */
        ErrorOut: {
            /** Code */
            code: string;
            /** Message */
            message: string;
            /** Node Id */
            node_id?: string | null;
        };
        /**
         * ExecuteIn
         * @example {
         *       "input": "Hello!"
         *     }
         */
        ExecuteIn: {
            /**
             * Delay S
             * @description The same, in seconds from now.
             */
            delay_s?: number | null;
            /**
             * Dry Run
             * @description Models and the world outside are not asked: what such nodes give is taken from the execution `source_id`.
             * @default false
             */
            dry_run?: boolean;
            /** @description Any JSON; where the start node declares inputs, an object with them. */
            input?: components["schemas"]["JsonValue"];
            /**
             * Source Id
             * @description Of a dry run: the execution with the recording [the last that succeeded].
             */
            source_id?: string | null;
            /**
             * Start At
             * @description When it is to begin: in the future, at most a year from now. Until then it is `queued`, and is cancelled at once where it is cancelled.
             */
            start_at?: string | null;
            /**
             * Timeout S
             * @description The longest that this run may take, where that is less than the workflow's own limit. It then ends `timed_out`.
             */
            timeout_s?: number | null;
            /**
             * Use Pins
             * @description Nodes with a `pinned` output give that and are not run.
             * @default false
             */
            use_pins?: boolean;
            /**
             * Version
             * @description A version's number, `draft` (the newest) or `published`. By default the published one, or the newest of a workflow that was never published.
             */
            version?: number | ("draft" | "published") | null;
        };
        /**
         * ExecutionOut
         * @description A run: `nodes` are all of the graph's, in its order, whatever their state.
         */
        ExecutionOut: {
            /**
             * Cancel Requested At
             * @description When it was first asked to cancel; `status` says whether it is cancelled.
             */
            cancel_requested_at: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            error: components["schemas"]["ErrorOut"] | null;
            /** Finished At */
            finished_at: string | null;
            /** Id */
            id: string;
            /** Input */
            input: unknown;
            /** @description In place of an `output` over 1.9 MB. */
            large_output?: components["schemas"]["LargeOut"] | null;
            /** @description `run`; `test`: one node alone; `dry_run`: what reaches outside was recorded. */
            mode: components["schemas"]["Mode"];
            /** Nodes */
            nodes: components["schemas"]["NodeOut"][];
            /** Output */
            output: unknown;
            parent?: components["schemas"]["ParentOut"] | null;
            /** @description While the status is `queued`. */
            queue?: components["schemas"]["QueueOut"] | null;
            /**
             * Source Id
             * @description The execution that this one goes on from.
             */
            source_id?: string | null;
            /**
             * Start At
             * @description Where it was to begin later: when.
             */
            start_at?: string | null;
            /** Started At */
            started_at: string | null;
            status: components["schemas"]["ExecutionStatus"];
            temporal: components["schemas"]["TemporalOut"];
            /**
             * Timeout S
             * @description The run's time limit, in seconds.
             */
            timeout_s: number | null;
            triggered?: components["schemas"]["TriggeredOut"] | null;
            usage: components["schemas"]["UsageOut"];
            /** @description Set where no worker goes on with the run. */
            waiting?: components["schemas"]["WaitingOut"] | null;
            /** Workflow Id */
            workflow_id: string;
            /** Workflow Version */
            workflow_version: number;
        };
        /**
         * ExecutionStatus
         * @enum {string}
         */
        ExecutionStatus: "queued" | "running" | "waiting" | "paused" | "succeeded" | "failed" | "cancelled" | "timed_out";
        /**
         * ExecutionSummaryOut
         * @description An item of the list: no input, no output, no nodes.
         */
        ExecutionSummaryOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            error: components["schemas"]["ErrorOut"] | null;
            /** Finished At */
            finished_at: string | null;
            /** Id */
            id: string;
            /** @description `run`; `test`: one node alone; `dry_run`: what reaches outside was recorded. */
            mode: components["schemas"]["Mode"];
            parent?: components["schemas"]["ParentOut"] | null;
            /**
             * Source Id
             * @description The execution that this one goes on from.
             */
            source_id?: string | null;
            /**
             * Start At
             * @description Where it was to begin later: when.
             */
            start_at?: string | null;
            /** Started At */
            started_at: string | null;
            status: components["schemas"]["ExecutionStatus"];
            temporal: components["schemas"]["TemporalOut"];
            triggered?: components["schemas"]["TriggeredOut"] | null;
            usage: components["schemas"]["UsageOut"];
            /** Workflow Id */
            workflow_id: string;
            /** Workflow Version */
            workflow_version: number;
        };
        /**
         * ExportFormat
         * @enum {string}
         */
        ExportFormat: "pilot" | "reactflow" | "mermaid";
        /** FailureOut */
        FailureOut: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Code */
            code: string;
            /** Message */
            message: string;
        };
        /**
         * FindingOut
         * @description One thing that is not in the graph as it was in the source. An `error` keeps the graph from
         *     running until it is seen to; a `warning` may do something else; `info` does the same.
         */
        FindingOut: {
            /**
             * Action
             * @description What to do about it.
             */
            action?: string | null;
            /** Field */
            field?: string | null;
            /** Message */
            message: string;
            /** Name */
            name?: string | null;
            /** Node Id */
            node_id?: string | null;
            /**
             * Original
             * @description The source's own text, its first 2,000 characters.
             */
            original?: string | null;
            /**
             * Outcome
             * @enum {string}
             */
            outcome: "approximated" | "dropped";
            /**
             * Severity
             * @enum {string}
             */
            severity: "info" | "warning" | "error";
            /** Source Id */
            source_id?: string | null;
        };
        /**
         * GraphIn
         * @description Nodes and edges as the canvas holds them; fields of its own are kept.
         * @example {
         *       "description": "Answers a message.",
         *       "edges": [
         *         {
         *           "source": "start",
         *           "target": "llm_1"
         *         },
         *         {
         *           "source": "llm_1",
         *           "target": "output"
         *         }
         *       ],
         *       "name": "Simple Chatbot",
         *       "nodes": [
         *         {
         *           "config": {
         *             "name": "Start"
         *           },
         *           "id": "start",
         *           "position": {
         *             "x": 0,
         *             "y": 0
         *           },
         *           "type": "start"
         *         },
         *         {
         *           "config": {
         *             "model": "gpt-3.5-turbo",
         *             "name": "Chat",
         *             "prompt_template": "Respond to: {input}"
         *           },
         *           "id": "llm_1",
         *           "position": {
         *             "x": 200,
         *             "y": 0
         *           },
         *           "type": "llm"
         *         },
         *         {
         *           "config": {},
         *           "id": "output",
         *           "position": {
         *             "x": 400,
         *             "y": 0
         *           },
         *           "type": "output"
         *         }
         *       ]
         *     }
         */
        GraphIn: {
            /** Edges */
            edges?: components["schemas"]["Edge"][];
            /**
             * Max Parallel
             * @description How many nodes of an execution run at once, beside those that wait for something outside.
             */
            max_parallel?: number | null;
            /** Nodes */
            nodes?: components["schemas"]["Node"][];
            /**
             * Timeout S
             * @description The longest that an execution may take, pauses included.
             */
            timeout_s?: number | null;
        };
        /**
         * HealthOut
         * @description `ok`; `degraded`: something waits (no worker, no Temporal, no room on the store's disk);
         *     `down`: nothing can be read or saved, so the answer is 503. `build` is PILOT_BUILD_ID.
         */
        HealthOut: {
            /** Build */
            build: string | null;
            /** Parts */
            parts: {
                [key: string]: components["schemas"]["PartOut"];
            };
            /**
             * Status
             * @enum {string}
             */
            status: "ok" | "degraded" | "down";
            /**
             * Version
             * @default 0.4.0
             */
            version?: string;
        };
        /**
         * HookOut
         * @description What came of a delivery: `accepted`; `buffered` (the run is not there yet, it will be looked
         *     at then); `no_match` (the node's condition does not hold for it, and it goes on waiting).
         */
        HookOut: {
            /** Message */
            message?: string | null;
            /**
             * Status
             * @enum {string}
             */
            status: "accepted" | "buffered" | "no_match";
        };
        /**
         * ImportFormat
         * @description What a document may be said to be; `auto` finds out.
         * @enum {string}
         */
        ImportFormat: "auto" | "pilot" | "reactflow" | "dify" | "n8n";
        /** ImportOut */
        ImportOut: {
            /** @description What a dry run would save, else null. */
            draft: components["schemas"]["DraftOut"] | null;
            report: components["schemas"]["api__transfers__schemas__ReportOut"];
            /** @description As saved; null of a dry run. */
            workflow: components["schemas"]["WorkflowOut"] | null;
        };
        /**
         * IssueOut
         * @description One thing that is wrong, and where.
         */
        IssueOut: {
            /**
             * Code
             * @example unknown_node
             */
            code: string;
            /**
             * Column
             * @default null
             */
            column?: number | null;
            /**
             * Container
             * @description The loops and maps around it, the outermost first, joined by slashes.
             * @default null
             * @example each_order/each_line
             */
            container?: string | null;
            /** @default null */
            edge?: components["schemas"]["EdgeOut"] | null;
            /**
             * Field
             * @default null
             * @example config.prompt_template
             */
            field?: string | null;
            /**
             * Line
             * @default null
             */
            line?: number | null;
            /** Message */
            message: string;
            /**
             * Node Id
             * @default null
             * @example llm_1
             */
            node_id?: string | null;
            /**
             * Severity
             * @enum {string}
             */
            severity: "error" | "warning";
        };
        /**
         * IterationOut
         * @description An iteration that has ended. `preview` stands for a large output: the beginning of its
         *     JSON. `nodes` are those of the body, without outputs.
         */
        IterationOut: {
            error: components["schemas"]["ErrorOut"] | null;
            /** Finished At */
            finished_at: string | null;
            /** Index */
            index: number;
            /** Nodes */
            nodes: {
                [key: string]: unknown;
            }[];
            /** Output */
            output: unknown;
            /** Preview */
            preview?: string | null;
            /** Started At */
            started_at: string | null;
            status: components["schemas"]["NodeStatus"];
        };
        JsonValue: unknown;
        /**
         * LargeOut
         * @description An output that is too large to stand here: `bytes` of JSON, how it begins, and where it is
         *     whole, to be read in parts too (`Range`).
         */
        LargeOut: {
            /** Bytes */
            bytes: number;
            /** Href */
            href: string;
            /** Preview */
            preview: string;
        };
        /**
         * LimitsOut
         * @description A day's limits (UTC); null: none.
         */
        LimitsOut: {
            /** Tokens Per Day */
            tokens_per_day: number | null;
            /** Usd Per Day */
            usd_per_day: number | null;
        };
        /** LinksOut */
        LinksOut: {
            /**
             * Canvas
             * @default /app/
             */
            canvas?: string;
            /** Docs */
            docs?: string | null;
            /**
             * Executions
             * @default /api/v1/executions
             */
            executions?: string;
            /**
             * Health
             * @default /health
             */
            health?: string;
            /**
             * Node Types
             * @default /api/v1/node-types
             */
            node_types?: string;
            /** Temporal Ui */
            temporal_ui?: string | null;
            /**
             * Workflows
             * @default /api/v1/workflows
             */
            workflows?: string;
        };
        /** LiveOut */
        LiveOut: {
            /**
             * Status
             * @default ok
             * @constant
             */
            status?: "ok";
        };
        /**
         * Mode
         * @description What kind of run an execution is: of the whole graph, of one node, or of the graph with
         *     what reaches outside taken from a recording.
         * @enum {string}
         */
        Mode: "run" | "test" | "dry_run";
        /**
         * NOf
         * @description `join: {"n_of": k}`: the node runs as soon as `k` of its in-edges are taken.
         */
        NOf: {
            /** N Of */
            n_of: number;
        };
        /**
         * NewApiKeyOut
         * @description A key that was just made.
         */
        NewApiKeyOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /** Expires At */
            expires_at: string | null;
            /** Hint */
            hint: string;
            /** Id */
            id: string;
            /**
             * Key
             * @description The key itself. It is shown this once.
             */
            key: string;
            /** Last Used At */
            last_used_at: string | null;
            /** Name */
            name: string;
            /** Revoked At */
            revoked_at: string | null;
            role: components["schemas"]["Role"];
        };
        /**
         * NewTriggerOut
         * @description A trigger that was just made, or given a new token.
         */
        NewTriggerOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /** @description Why its last run could not be begun; null since one was. */
            failure: components["schemas"]["FailureOut"] | null;
            /**
             * Hint
             * @description The last characters of a webhook's token.
             */
            hint?: string | null;
            /** Id */
            id: string;
            /** Input */
            input?: unknown;
            kind: components["schemas"]["TriggerKind"];
            /**
             * Missed
             * @description How many had none because an outage was longer than its catch-up window.
             */
            missed?: number | null;
            /** Name */
            name: string;
            /**
             * Next Times
             * @description A schedule's next times, at most ten; only where one is read, and Temporal answers.
             */
            next_times?: string[] | null;
            /** Note */
            note: string;
            /** Paused */
            paused: boolean;
            /** Revision */
            revision: number;
            schedule?: components["schemas"]["ScheduleConfig"] | null;
            /**
             * Skipped
             * @description How many of its times had no run because of its overlap policy.
             */
            skipped?: number | null;
            /**
             * State
             * @enum {string}
             */
            state: "active" | "paused" | "pending";
            /** Timeout S */
            timeout_s: number | null;
            /**
             * Token
             * @description A webhook's token. It is shown this once.
             */
            token?: string | null;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
            /**
             * Url
             * @description Where it is called: a path of this server.
             */
            url?: string | null;
            webhook?: components["schemas"]["WebhookConfig"] | null;
            /** Workflow Id */
            workflow_id: string;
        };
        /**
         * Node
         * @description A node: its type, its configuration and the policy that stands beside it.
         *
         *     With `on_cancel` it begins the clean-up: it runs, and what follows it, when the execution is
         *     cancelled or timed out, and not otherwise.
         */
        Node: {
            /** Config */
            config?: {
                [key: string]: components["schemas"]["JsonValue"];
            };
            /** Id */
            id: string;
            /** Join */
            join?: ("all" | "any") | components["schemas"]["NOf"] | null;
            /**
             * On Cancel
             * @default false
             */
            on_cancel?: boolean;
            /** On Error */
            on_error?: ("fail" | "continue" | "branch") | components["schemas"]["DefaultOutput"] | null;
            pinned?: components["schemas"]["Pinned"] | null;
            position?: components["schemas"]["Position"] | null;
            retry?: components["schemas"]["RetryOverride"] | null;
            /** Timeout S */
            timeout_s?: number | null;
            /** Type */
            type: string;
        } & {
            [key: string]: unknown;
        };
        /** NodeChangeOut */
        NodeChangeOut: {
            /** Changes */
            changes: components["schemas"]["ChangeOut"][];
            /** Id */
            id: string;
            /**
             * Name
             * @description What people see, in the second version.
             */
            name: string;
            /** Type */
            type: string;
        };
        /**
         * NodeOut
         * @description One node of the run. `path` is its iteration inside loops, empty outside.
         */
        NodeOut: {
            /** Attempt */
            attempt?: number | null;
            /** Error */
            error?: {
                [key: string]: unknown;
            } | null;
            /** Finished At */
            finished_at?: string | null;
            /** Id */
            id: string;
            /** @description In place of an `output` over 1.9 MB. */
            large_output?: components["schemas"]["LargeOut"] | null;
            /** Meta */
            meta?: {
                [key: string]: unknown;
            };
            /** Output */
            output?: unknown;
            /**
             * Path
             * @default
             */
            path?: string;
            /** Reason */
            reason?: string | null;
            /** Started At */
            started_at?: string | null;
            status: components["schemas"]["NodeStatus"];
            /** Type */
            type: string;
            waiting?: components["schemas"]["WaitingOut"] | null;
        };
        /**
         * NodeStatus
         * @enum {string}
         */
        NodeStatus: "pending" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "cancelled";
        /**
         * NodeTypeOut
         * @description `handles` are those of the type's default configuration; a configuration may name its
         *     own (`dynamic_handles`). `on_error: branch` adds `error` to any. `has_body`: its field `body`
         *     holds a graph.
         */
        NodeTypeOut: {
            /** Category */
            category: string;
            /**
             * Config
             * @description The JSON Schema of `config`. Where templates, expressions or Python are written, `x-pilot` says so.
             */
            config: {
                [key: string]: unknown;
            };
            /** Description */
            description: string;
            /** Dynamic Handles */
            dynamic_handles: boolean;
            /**
             * Error Handle
             * @default error
             */
            error_handle?: string;
            /**
             * Handles
             * @example [
             *       "true",
             *       "false"
             *     ]
             */
            handles: string[];
            /** Has Body */
            has_body: boolean;
            /** Icon */
            icon: string;
            policy: components["schemas"]["PolicyOut"];
            /** Title */
            title: string;
            /**
             * Type
             * @example condition
             */
            type: string;
            /** Usable As Tool */
            usable_as_tool: boolean;
        };
        /** NodeTypesOut */
        NodeTypesOut: {
            /** Items */
            items: components["schemas"]["NodeTypeOut"][];
        };
        /**
         * NodesDiffOut
         * @description Nodes as they stand in the version that has them. One whose id is another is another.
         */
        NodesDiffOut: {
            /** Added */
            added: {
                [key: string]: unknown;
            }[];
            /** Changed */
            changed: components["schemas"]["NodeChangeOut"][];
            /** Removed */
            removed: {
                [key: string]: unknown;
            }[];
        };
        /**
         * Overlap
         * @description What becomes of a time that comes while the execution of the one before is open; by
         *     Temporal's names (https://docs.temporal.io/schedule#overlap-policy).
         * @enum {string}
         */
        Overlap: "skip" | "buffer_one" | "buffer_all" | "cancel_other" | "terminate_other" | "allow_all";
        /** PageOut[ApiKeyOut] */
        PageOut_ApiKeyOut_: {
            /** Items */
            items: components["schemas"]["ApiKeyOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[ApprovalOut] */
        PageOut_ApprovalOut_: {
            /** Items */
            items: components["schemas"]["ApprovalOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[ExecutionSummaryOut] */
        PageOut_ExecutionSummaryOut_: {
            /** Items */
            items: components["schemas"]["ExecutionSummaryOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[IterationOut] */
        PageOut_IterationOut_: {
            /** Items */
            items: components["schemas"]["IterationOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[SecretOut] */
        PageOut_SecretOut_: {
            /** Items */
            items: components["schemas"]["SecretOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[ShareOut] */
        PageOut_ShareOut_: {
            /** Items */
            items: components["schemas"]["ShareOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[TemplateSummaryOut] */
        PageOut_TemplateSummaryOut_: {
            /** Items */
            items: components["schemas"]["TemplateSummaryOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[TriggerOut] */
        PageOut_TriggerOut_: {
            /** Items */
            items: components["schemas"]["TriggerOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[VersionSummaryOut] */
        PageOut_VersionSummaryOut_: {
            /** Items */
            items: components["schemas"]["VersionSummaryOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /** PageOut[WorkflowSummaryOut] */
        PageOut_WorkflowSummaryOut_: {
            /** Items */
            items: components["schemas"]["WorkflowSummaryOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /**
         * ParentOut
         * @description The node of another execution that began this one. `path` is which of its runs, in loops
         *     and as a model's tool.
         */
        ParentOut: {
            /** Execution Id */
            execution_id: string;
            /** Node Id */
            node_id: string;
            /**
             * Path
             * @default
             */
            path?: string;
        };
        /** PartOut */
        PartOut: {
            /** Detail */
            detail?: string | null;
            /** Latency Ms */
            latency_ms: number;
            /**
             * Layers
             * @description Of `sandbox`: what the system confines code nodes by, on every worker.
             */
            layers?: string[] | null;
            /**
             * Status
             * @enum {string}
             */
            status: "ok" | "down" | "no_worker" | "off" | "stuck" | "full";
        };
        /** PauseIn */
        PauseIn: {
            /** Note */
            note?: string | null;
        };
        /**
         * PayloadJson
         * @description A payload in protobuf's JSON: bytes are base64.
         */
        PayloadJson: {
            /**
             * Data
             * @default
             */
            data?: string;
            /** Metadata */
            metadata?: {
                [key: string]: string;
            };
        };
        /** PayloadOut */
        PayloadOut: {
            /** Data */
            data: string;
            /** Metadata */
            metadata: {
                [key: string]: string;
            };
        };
        /** PayloadsIn */
        PayloadsIn: {
            /** Payloads */
            payloads?: components["schemas"]["PayloadJson"][];
        };
        /** PayloadsOut */
        PayloadsOut: {
            /** Payloads */
            payloads: components["schemas"]["PayloadOut"][];
        };
        /**
         * Pinned
         * @description What a node gives, instead of being run, in runs that ask for it (`use_pins`): while a draft
         *     is worked on. `handles` are those that it takes; without any it is the default handle.
         */
        Pinned: {
            /** Handles */
            handles?: string[] | null;
            output?: components["schemas"]["JsonValue"];
            /** Vars */
            vars?: {
                [key: string]: components["schemas"]["JsonValue"];
            };
        };
        /**
         * PolicyOut
         * @description The type's defaults; a node may override `retry` and `timeout_s`.
         */
        PolicyOut: {
            /** Heartbeat S */
            heartbeat_s: number | null;
            /** Local */
            local: boolean;
            retry: components["schemas"]["RetryOut"];
            /** Timeout S */
            timeout_s: number;
        };
        /** Position */
        Position: {
            /**
             * X
             * @default 0
             */
            x?: number;
            /**
             * Y
             * @default 0
             */
            y?: number;
        } & {
            [key: string]: unknown;
        };
        /**
         * ProblemOut
         * @description An error, as every route answers it.
         */
        ProblemOut: {
            /**
             * Code
             * @description Stable, for programs.
             * @example stale_version
             */
            code: string;
            /**
             * @description With `stale_version`: what is there now.
             * @default null
             */
            current?: components["schemas"]["CurrentOut"] | null;
            /**
             * Detail
             * @example The workflow is at version 4, not 3.
             */
            detail: string;
            /**
             * Issues
             * @description Everything that is wrong with a graph or an input, at once.
             * @default null
             */
            issues?: components["schemas"]["IssueOut"][] | null;
            /**
             * Request Id
             * @default null
             */
            request_id?: string | null;
            /**
             * Status
             * @example 409
             */
            status: number;
            /**
             * Title
             * @example Conflict
             */
            title: string;
            /**
             * Type
             * @default about:blank
             */
            type?: string;
        };
        /**
         * PublicationOut
         * @description What is published since `published_at`; `version` is null where the workflow was taken
         *     offline. `number` counts the workflow's publications.
         */
        PublicationOut: {
            /**
             * Issues
             * @description Warnings: with errors nothing is published.
             */
            issues: components["schemas"]["IssueOut"][];
            /** Note */
            note: string | null;
            /** Number */
            number: number;
            /**
             * Published At
             * Format: date-time
             */
            published_at: string;
            /** Published By */
            published_by: string | null;
            /** Version */
            version: number | null;
            /** Workflow Id */
            workflow_id: string;
        };
        /**
         * PublishIn
         * @example {
         *       "note": "Kinder prompt",
         *       "version": 3
         *     }
         */
        PublishIn: {
            /**
             * Note
             * @description What is new in it, for people.
             */
            note?: string | null;
            /**
             * Version
             * @description Which one, also an older one; by default the newest.
             */
            version?: number | null;
        };
        /**
         * QueueOut
         * @description Why a run has not begun: `start_at` (its time is yet to come: `until`), `concurrency` (one of
         *     its owner's runs must end first; `position` is its place among those that wait, from 1),
         *     `starting` (a worker is about to take it) or
         *     `no_worker` (none is there, since).
         */
        QueueOut: {
            /** Position */
            position?: number | null;
            /**
             * Reason
             * @enum {string}
             */
            reason: "start_at" | "concurrency" | "starting" | "no_worker";
            /**
             * Since
             * Format: date-time
             */
            since: string;
            /** Until */
            until?: string | null;
        };
        /**
         * ReadyOut
         * @description `ready`; `draining`: it is about to end, and finishes what it was sent; `down`: nothing
         *     can be read, or nobody let in.
         */
        ReadyOut: {
            /** Parts */
            parts: {
                [key: string]: components["schemas"]["PartOut"];
            };
            /**
             * Status
             * @enum {string}
             */
            status: "ready" | "draining" | "down";
        };
        /**
         * ReceivedOut
         * @description What a caller of a webhook is told: never more of a run than its end.
         */
        ReceivedOut: {
            /**
             * Error
             * @description A failure's code.
             */
            error?: string | null;
            /** Execution Id */
            execution_id: string;
            /**
             * Output
             * @description Where it has succeeded while it was waited for.
             */
            output?: unknown;
            status: components["schemas"]["ExecutionStatus"];
        };
        /** RecordedIn */
        RecordedIn: {
            /** Meta */
            meta?: {
                [key: string]: components["schemas"]["JsonValue"];
            };
            output?: components["schemas"]["JsonValue"];
        };
        /**
         * RetentionIn
         * @example {
         *       "retention_days": 30
         *     }
         */
        RetentionIn: {
            /**
             * Retention Days
             * @description Days after their end at which the workflow's executions are deleted; null: when the operator's policy says so.
             */
            retention_days: number | null;
        };
        /**
         * RetentionOut
         * @description In days; null: for ever. `longest_days` is the operator's own, above which none may go.
         */
        RetentionOut: {
            /** Longest Days */
            longest_days: number | null;
            /** Retention Days */
            retention_days: number | null;
        };
        /**
         * RetryIn
         * @example {}
         */
        RetryIn: {
            /**
             * From
             * @description The nodes to begin at; they and all below them are run again [those that failed or were cancelled].
             */
            from?: string[] | null;
            /**
             * Version
             * @description The workflow version to run. What was changed since is run again.
             * @default same
             */
            version?: number | ("draft" | "published") | "same";
        };
        /** RetryOut */
        RetryOut: {
            /** Backoff */
            backoff: number;
            /** Initial S */
            initial_s: number;
            /** Max Attempts */
            max_attempts: number;
            /** Max S */
            max_s: number;
            /** Non Retryable */
            non_retryable: string[];
        };
        /**
         * RetryOverride
         * @description A node's own retry policy; what is left out keeps the node type's default.
         *
         *     Times are in seconds. `max_attempts` counts the first try, so 1 means no retry.
         */
        RetryOverride: {
            /** Backoff */
            backoff?: number | null;
            /** Initial S */
            initial_s?: number | null;
            /** Max Attempts */
            max_attempts?: number | null;
            /** Max S */
            max_s?: number | null;
            /** Non Retryable */
            non_retryable?: string[] | null;
        };
        /**
         * Role
         * @description `viewer` reads, `runner` also starts, cancels and answers runs, `editor` also writes
         *     workflows, `admin` also deletes, shares, and sees to secrets, keys and budgets.
         * @enum {string}
         */
        Role: "viewer" | "runner" | "editor" | "admin";
        /** RootOut */
        RootOut: {
            links: components["schemas"]["LinksOut"];
            /**
             * Name
             * @default πlot
             */
            name?: string;
            /**
             * Status
             * @default ok
             * @constant
             */
            status?: "ok";
            /**
             * Version
             * @default 0.4.0
             */
            version?: string;
        };
        /**
         * ScheduleConfig
         * @description When runs begin: by cron expressions, by an interval, or both.
         */
        ScheduleConfig: {
            /**
             * Catchup Window S
             * @description How late a time that an outage of Temporal missed may still be made up for.
             * @default 3600
             */
            catchup_window_s?: number;
            /**
             * Cron
             * @description Five fields (minute, hour, day of the month, month, day of the week), with ranges, steps, lists and names, or `@daily` and the like. Read in `timezone`.
             */
            cron?: string[];
            /**
             * End At
             * @description Nothing after it.
             */
            end_at?: string | null;
            /**
             * Every S
             * @description Every so many seconds, counted from 1970-01-01T00:00Z.
             */
            every_s?: number | null;
            /**
             * Jitter S
             * @description Each time is put off by up to so much, at random.
             * @default 0
             */
            jitter_s?: number;
            /**
             * Offset S
             * @description So many seconds after each of the interval's times.
             * @default 0
             */
            offset_s?: number;
            /**
             * @description What becomes of a time that comes while the run of the one before is open.
             * @default skip
             */
            overlap?: components["schemas"]["Overlap"];
            /**
             * Start At
             * @description Nothing before it.
             */
            start_at?: string | null;
            /**
             * Timezone
             * @description The IANA name of the zone whose clock the cron expressions are read by, such as `Europe/Berlin`.
             * @default UTC
             */
            timezone?: string;
        };
        /**
         * Scheme
         * @enum {string}
         */
        Scheme: "github" | "stripe" | "slack" | "standard" | "hex" | "base64";
        /**
         * SecretIn
         * @description A new secret, or a new value of one.
         * @example {
         *       "name": "OPENAI_API_KEY",
         *       "value": "sk-…"
         *     }
         */
        SecretIn: {
            /**
             * Name
             * @description What `{secrets.NAME}` calls it: letters, digits and underscores.
             */
            name: string;
            /**
             * Value
             * Format: password
             * @description 1 to 32,768 bytes of text. Never given back.
             */
            value: string;
        };
        /**
         * SecretOut
         * @description A secret without its value.
         */
        SecretOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Name
             * @example OPENAI_API_KEY
             */
            name: string;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
        };
        /** ShareIn */
        ShareIn: {
            /**
             * Role
             * @description `viewer` sees the workflow and its executions, `runner` also starts and cancels them, `editor` also saves the workflow.
             * @enum {string}
             */
            role: "viewer" | "runner" | "editor";
        };
        /**
         * ShareOut
         * @description `grantee` is the id of a user or of an organisation.
         */
        ShareOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Grantee */
            grantee: string;
            role: components["schemas"]["Role"];
        };
        /** SignalIn */
        SignalIn: {
            /** @description Any JSON, of 256 KB at most. */
            payload?: components["schemas"]["JsonValue"];
        };
        /** SignalOut */
        SignalOut: {
            /** Deliveries */
            deliveries: components["schemas"]["DeliveryOut"][];
        };
        /**
         * SignatureConfig
         * @description How callers sign. The secret is one of the owner's stored ones, by its name.
         */
        SignatureConfig: {
            /**
             * Header
             * @description Where the signature is, where not as the scheme has it.
             */
            header?: string | null;
            scheme: components["schemas"]["Scheme"];
            /**
             * Secret
             * @description The name of a stored secret (`POST /api/v1/secrets`).
             */
            secret: string;
            /**
             * Tolerance S
             * @description How old a signature may be, of schemes that say when it was made.
             * @default 300
             */
            tolerance_s?: number;
        };
        /** TemplateOut */
        TemplateOut: {
            /**
             * Calls
             * @description The templates that its `workflow` nodes call, as `file:<id>.json`: they are saved with it.
             */
            calls: string[];
            /** Description */
            description: string;
            /**
             * Edges
             * @example [
             *       {
             *         "source": "start",
             *         "target": "llm_1"
             *       },
             *       {
             *         "source": "llm_1",
             *         "target": "output"
             *       }
             *     ]
             */
            edges: {
                [key: string]: unknown;
            }[];
            /**
             * Id
             * @example mail_routing
             */
            id: string;
            /** Name */
            name: string;
            /** Node Types */
            node_types: string[];
            /**
             * Nodes
             * @example [
             *       {
             *         "config": {
             *           "name": "Start"
             *         },
             *         "id": "start",
             *         "position": {
             *           "x": 0,
             *           "y": 0
             *         },
             *         "type": "start"
             *       },
             *       {
             *         "config": {
             *           "model": "gpt-3.5-turbo",
             *           "name": "Chat",
             *           "prompt_template": "Respond to: {input}"
             *         },
             *         "id": "llm_1",
             *         "position": {
             *           "x": 200,
             *           "y": 0
             *         },
             *         "type": "llm"
             *       },
             *       {
             *         "config": {},
             *         "id": "output",
             *         "position": {
             *           "x": 400,
             *           "y": 0
             *         },
             *         "type": "output"
             *       }
             *     ]
             */
            nodes: {
                [key: string]: unknown;
            }[];
            /**
             * Sample Input
             * @description An input that shows what it takes.
             */
            sample_input: unknown;
            /** Tags */
            tags: string[];
        };
        /**
         * TemplateSummaryOut
         * @description A template without its graph. `node_types` says what it is made of.
         */
        TemplateSummaryOut: {
            /**
             * Calls
             * @description The templates that its `workflow` nodes call, as `file:<id>.json`: they are saved with it.
             */
            calls: string[];
            /** Description */
            description: string;
            /**
             * Id
             * @example mail_routing
             */
            id: string;
            /** Name */
            name: string;
            /** Node Types */
            node_types: string[];
            /**
             * Sample Input
             * @description An input that shows what it takes.
             */
            sample_input: unknown;
            /** Tags */
            tags: string[];
        };
        /** TemplateUse */
        TemplateUse: {
            /**
             * Name
             * @description The workflow's name; left out, the template's.
             */
            name?: string | null;
        };
        /**
         * TemporalOut
         * @description Where the run is in Temporal. `url` opens it in Temporal's Web UI, if there is one.
         */
        TemporalOut: {
            /** Run Id */
            run_id: string | null;
            /** Url */
            url: string | null;
            /** Workflow Id */
            workflow_id: string;
        };
        /** TicketOut */
        TicketOut: {
            /**
             * Expires In S
             * @default 30
             */
            expires_in_s?: number;
            /**
             * Ticket
             * @description For `/ws/{user_id}?ticket=`, once.
             */
            ticket: string;
        };
        /**
         * TotalOut
         * @description A sum over model calls, failed ones too.
         */
        TotalOut: {
            /** Calls */
            calls: number;
            /** Completion Tokens */
            completion_tokens: number;
            /**
             * Cost Usd
             * @description Without the calls whose price is not known.
             */
            cost_usd: number;
            /**
             * Estimated Calls
             * @description Calls whose tokens were counted here, because the model's side did not say: cut streams, calls that were given up.
             */
            estimated_calls: number;
            /** Prompt Tokens */
            prompt_tokens: number;
            /** Total Tokens */
            total_tokens: number;
            /**
             * Unpriced Calls
             * @description Calls whose price is not known.
             */
            unpriced_calls: number;
        };
        /**
         * TriggerIn
         * @example {
         *       "input": {
         *         "for": "{scheduled_at}"
         *       },
         *       "name": "every working day",
         *       "schedule": {
         *         "cron": [
         *           "30 8 * * mon-fri"
         *         ],
         *         "timezone": "Europe/Berlin"
         *       },
         *       "workflow_id": "00000000-0000-0000-0000-000000000000"
         *     }
         */
        TriggerIn: {
            /** @description What a schedule's runs are given. Where the text `{scheduled_at}` is a value in it, the time that the run is for stands there. */
            input?: components["schemas"]["JsonValue"];
            /** Name */
            name: string;
            /**
             * Note
             * @description Why it is paused, say.
             * @default
             */
            note?: string;
            /**
             * Paused
             * @description It begins nothing while it is paused.
             * @default false
             */
            paused?: boolean;
            schedule?: components["schemas"]["ScheduleConfig"] | null;
            /**
             * Timeout S
             * @description The time limit of its runs.
             */
            timeout_s?: number | null;
            webhook?: components["schemas"]["WebhookConfig"] | null;
            /** Workflow Id */
            workflow_id: string;
        };
        /**
         * TriggerKind
         * @enum {string}
         */
        TriggerKind: "schedule" | "webhook";
        /**
         * TriggerOut
         * @description A schedule or a webhook. `state` is `pending` while Temporal does not know a schedule as it
         *     is here: it is told as soon as it answers.
         */
        TriggerOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /** @description Why its last run could not be begun; null since one was. */
            failure: components["schemas"]["FailureOut"] | null;
            /**
             * Hint
             * @description The last characters of a webhook's token.
             */
            hint?: string | null;
            /** Id */
            id: string;
            /** Input */
            input?: unknown;
            kind: components["schemas"]["TriggerKind"];
            /**
             * Missed
             * @description How many had none because an outage was longer than its catch-up window.
             */
            missed?: number | null;
            /** Name */
            name: string;
            /**
             * Next Times
             * @description A schedule's next times, at most ten; only where one is read, and Temporal answers.
             */
            next_times?: string[] | null;
            /** Note */
            note: string;
            /** Paused */
            paused: boolean;
            /** Revision */
            revision: number;
            schedule?: components["schemas"]["ScheduleConfig"] | null;
            /**
             * Skipped
             * @description How many of its times had no run because of its overlap policy.
             */
            skipped?: number | null;
            /**
             * State
             * @enum {string}
             */
            state: "active" | "paused" | "pending";
            /** Timeout S */
            timeout_s: number | null;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
            webhook?: components["schemas"]["WebhookConfig"] | null;
            /** Workflow Id */
            workflow_id: string;
        };
        /** TriggerUpdate */
        TriggerUpdate: {
            /** @description What a schedule's runs are given. Where the text `{scheduled_at}` is a value in it, the time that the run is for stands there. */
            input?: components["schemas"]["JsonValue"];
            /** Name */
            name: string;
            /**
             * Note
             * @description Why it is paused, say.
             * @default
             */
            note?: string;
            /**
             * Paused
             * @description It begins nothing while it is paused.
             * @default false
             */
            paused?: boolean;
            /**
             * Revision
             * @description The one that is replaced; or say it by `If-Match`.
             */
            revision?: number | null;
            schedule?: components["schemas"]["ScheduleConfig"] | null;
            /**
             * Timeout S
             * @description The time limit of its runs.
             */
            timeout_s?: number | null;
            webhook?: components["schemas"]["WebhookConfig"] | null;
        };
        /**
         * TriggeredOut
         * @description What began a run: a schedule, `at` the time that it was for; a webhook, `at` its call; or a
         *     Temporal workflow that is not of πlot, of which `id` is the workflow's.
         */
        TriggeredOut: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Id */
            id: string;
            /**
             * Type
             * @enum {string}
             */
            type: "schedule" | "webhook" | "workflow";
        };
        /**
         * TryIn
         * @description What a single node is tried with. With `execution_id`, what is not given is taken from that
         *     execution.
         * @example {
         *       "input": "Hi"
         *     }
         */
        TryIn: {
            /** Execution Id */
            execution_id?: string | null;
            execution_input?: components["schemas"]["JsonValue"];
            /** Index */
            index?: number | null;
            /** @description The node's `input`. */
            input?: components["schemas"]["JsonValue"];
            item?: components["schemas"]["JsonValue"];
            /**
             * Nodes
             * @description By node id, what it may refer to as `nodes.<id>`.
             */
            nodes?: {
                [key: string]: components["schemas"]["RecordedIn"];
            };
            /** Timeout S */
            timeout_s?: number | null;
            /** Vars */
            vars?: {
                [key: string]: components["schemas"]["JsonValue"];
            };
        };
        /**
         * UnpublishIn
         * @example {
         *       "note": "Spams"
         *     }
         */
        UnpublishIn: {
            /**
             * Note
             * @description Why, for people.
             */
            note?: string | null;
        };
        /**
         * UsageOut
         * @description What the models cost, over the whole run.
         */
        UsageOut: {
            /**
             * Completion Tokens
             * @default 0
             */
            completion_tokens?: number;
            /**
             * Cost Usd
             * @default 0
             */
            cost_usd?: number;
            /**
             * Prompt Tokens
             * @default 0
             */
            prompt_tokens?: number;
        };
        /**
         * UsageRowOut
         * @description A line of the report: `day`, `workflow_id` and `model` where it is grouped by them.
         */
        UsageRowOut: {
            /** Calls */
            calls: number;
            /** Completion Tokens */
            completion_tokens: number;
            /**
             * Cost Usd
             * @description Without the calls whose price is not known.
             */
            cost_usd: number;
            /** Day */
            day?: string | null;
            /**
             * Estimated Calls
             * @description Calls whose tokens were counted here, because the model's side did not say: cut streams, calls that were given up.
             */
            estimated_calls: number;
            /** Model */
            model?: string | null;
            /** Prompt Tokens */
            prompt_tokens: number;
            /** Total Tokens */
            total_tokens: number;
            /**
             * Unpriced Calls
             * @description Calls whose price is not known.
             */
            unpriced_calls: number;
            /** Workflow Id */
            workflow_id?: string | null;
        };
        /**
         * UsedOut
         * @description Of today: what was used, and what calls under way have reserved.
         */
        UsedOut: {
            /** Reserved Tokens */
            reserved_tokens: number;
            /** Reserved Usd */
            reserved_usd: number;
            /** Tokens */
            tokens: number;
            /** Usd */
            usd: number;
        };
        /**
         * ValidationOut
         * @description `valid`: no issue is an error, so the graph could be executed.
         */
        ValidationOut: {
            /** Issues */
            issues: components["schemas"]["IssueOut"][];
            /** Valid */
            valid: boolean;
        };
        /**
         * VersionOut
         * @description A version as it was saved. It never changes.
         */
        VersionOut: {
            /** Content Hash */
            content_hash: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string | null;
            /** Description */
            description: string;
            /**
             * Edges
             * @example [
             *       {
             *         "source": "start",
             *         "target": "llm_1"
             *       },
             *       {
             *         "source": "llm_1",
             *         "target": "output"
             *       }
             *     ]
             */
            edges: {
                [key: string]: unknown;
            }[];
            /** Max Parallel */
            max_parallel: number | null;
            /** Name */
            name: string;
            /**
             * Nodes
             * @example [
             *       {
             *         "config": {
             *           "name": "Start"
             *         },
             *         "id": "start",
             *         "position": {
             *           "x": 0,
             *           "y": 0
             *         },
             *         "type": "start"
             *       },
             *       {
             *         "config": {
             *           "model": "gpt-3.5-turbo",
             *           "name": "Chat",
             *           "prompt_template": "Respond to: {input}"
             *         },
             *         "id": "llm_1",
             *         "position": {
             *           "x": 200,
             *           "y": 0
             *         },
             *         "type": "llm"
             *       },
             *       {
             *         "config": {},
             *         "id": "output",
             *         "position": {
             *           "x": 400,
             *           "y": 0
             *         },
             *         "type": "output"
             *       }
             *     ]
             */
            nodes: {
                [key: string]: unknown;
            }[];
            /** Timeout S */
            timeout_s: number | null;
            /** Version */
            version: number;
            /** Workflow Id */
            workflow_id: string;
        };
        /**
         * VersionSummaryOut
         * @description `published_at`, `published_by` and `note` are of its last publication, also where another
         *     version was published later.
         */
        VersionSummaryOut: {
            /**
             * Content Hash
             * @description SHA-256 of the graph: the same hash, the same graph.
             */
            content_hash: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Created By
             * @description The user; null where that was not noted.
             */
            created_by: string | null;
            /** Is Published */
            is_published: boolean;
            /** Name */
            name: string;
            /** Note */
            note: string | null;
            /** Published At */
            published_at: string | null;
            /** Published By */
            published_by: string | null;
            /** Version */
            version: number;
        };
        /**
         * WaitOut
         * @description A node that waits: `for` a duration, until a time, for a signal, a webhook or an approval.
         *     `path` says which iteration it is in, `until` when the time is over. Who may run the workflow
         *     is told the `url` that a webhook is answered at.
         */
        WaitOut: {
            /** Approvals */
            approvals?: number | null;
            /** Execution Id */
            execution_id: string;
            /**
             * For
             * @enum {string}
             */
            for: "duration" | "until" | "signal" | "webhook" | "approval";
            /** Node Id */
            node_id: string;
            /**
             * Path
             * @default
             */
            path?: string;
            /** Required */
            required?: number | null;
            /** Signal */
            signal?: string | null;
            /**
             * Since
             * Format: date-time
             */
            since: string;
            /** Title */
            title?: string | null;
            /** Until */
            until?: string | null;
            /** Url */
            url?: string | null;
        };
        /**
         * WaitingOut
         * @description What is waited for: `retry` (a node, until the next attempt is due, with the error of the
         *     last one) or `no_worker` (a run that has begun, or a node of it: since then no worker polls the
         *     task queue `queue`, in which it has something to be done).
         */
        WaitingOut: {
            /** Error */
            error?: {
                [key: string]: unknown;
            } | null;
            /** Max Attempts */
            max_attempts?: number | null;
            /** Queue */
            queue?: string | null;
            /**
             * Reason
             * @enum {string}
             */
            reason: "retry" | "no_worker";
            /** Since */
            since?: string | null;
            /** Until */
            until?: string | null;
        };
        /**
         * WaitsOut
         * @description All on one page, those that have waited longest first.
         */
        WaitsOut: {
            /**
             * Complete
             * @description False where more may wait: no worker answered, or there are too many.
             */
            complete: boolean;
            /** Items */
            items: components["schemas"]["WaitOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
        };
        /**
         * WebhookConfig
         * @description Who may call, and what a run is given of the call.
         */
        WebhookConfig: {
            /** @description Whether the service asks first whether it may call. */
            challenge?: components["schemas"]["ChallengeConfig"] | null;
            /**
             * Delivery Header
             * @description The header by which a caller names a delivery, such as `X-GitHub-Delivery`: the same one again gives the same execution. `Idempotency-Key` always does.
             */
            delivery_header?: string | null;
            /**
             * Headers
             * @description Further headers that the run is given, beside Content-Type and User-Agent.
             */
            headers?: string[];
            /**
             * Input From
             * @description What the run's input is: the call (`body`, `body_type`, `headers`, `query`, `method`), or its body alone.
             * @default request
             * @enum {string}
             */
            input_from?: "request" | "body";
            /**
             * Max Body Bytes
             * @default 262144
             */
            max_body_bytes?: number;
            /**
             * Max Wait S
             * @description How long callers may wait for the run's output by `?wait=`; 0: they are told its id and nothing else.
             * @default 0
             */
            max_wait_s?: number;
            /** @description Without it whoever knows the address may call. */
            signature?: components["schemas"]["SignatureConfig"] | null;
        };
        /**
         * WorkflowIn
         * @example {
         *       "description": "Answers a message.",
         *       "edges": [
         *         {
         *           "source": "start",
         *           "target": "llm_1"
         *         },
         *         {
         *           "source": "llm_1",
         *           "target": "output"
         *         }
         *       ],
         *       "name": "Simple Chatbot",
         *       "nodes": [
         *         {
         *           "config": {
         *             "name": "Start"
         *           },
         *           "id": "start",
         *           "position": {
         *             "x": 0,
         *             "y": 0
         *           },
         *           "type": "start"
         *         },
         *         {
         *           "config": {
         *             "model": "gpt-3.5-turbo",
         *             "name": "Chat",
         *             "prompt_template": "Respond to: {input}"
         *           },
         *           "id": "llm_1",
         *           "position": {
         *             "x": 200,
         *             "y": 0
         *           },
         *           "type": "llm"
         *         },
         *         {
         *           "config": {},
         *           "id": "output",
         *           "position": {
         *             "x": 400,
         *             "y": 0
         *           },
         *           "type": "output"
         *         }
         *       ]
         *     }
         */
        WorkflowIn: {
            /**
             * Description
             * @default
             */
            description?: string;
            /** Edges */
            edges?: components["schemas"]["Edge"][];
            /**
             * Max Parallel
             * @description How many nodes of an execution run at once, beside those that wait for something outside.
             */
            max_parallel?: number | null;
            /** Name */
            name: string;
            /** Nodes */
            nodes?: components["schemas"]["Node"][];
            /**
             * Timeout S
             * @description The longest that an execution may take, pauses included.
             */
            timeout_s?: number | null;
        };
        /**
         * WorkflowOut
         * @description A workflow at its newest version, and what is wrong with it.
         */
        WorkflowOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Description */
            description: string;
            /**
             * Edges
             * @example [
             *       {
             *         "source": "start",
             *         "target": "llm_1"
             *       },
             *       {
             *         "source": "llm_1",
             *         "target": "output"
             *       }
             *     ]
             */
            edges: {
                [key: string]: unknown;
            }[];
            /**
             * Id
             * @example 5b6f1c0e-6b1f-4d53-9c39-0e6d0c1f3d5a
             */
            id: string;
            /**
             * Input Schema
             * @description The JSON Schema of an execution's `input`, from the start node's fields; null where the graph has no start node that can be read.
             */
            input_schema: {
                [key: string]: unknown;
            } | null;
            /**
             * Issues
             * @description Empty: it can be executed. So it can with warnings, not with errors.
             */
            issues: components["schemas"]["IssueOut"][];
            /** Max Parallel */
            max_parallel: number | null;
            /** Name */
            name: string;
            /**
             * Nodes
             * @example [
             *       {
             *         "config": {
             *           "name": "Start"
             *         },
             *         "id": "start",
             *         "position": {
             *           "x": 0,
             *           "y": 0
             *         },
             *         "type": "start"
             *       },
             *       {
             *         "config": {
             *           "model": "gpt-3.5-turbo",
             *           "name": "Chat",
             *           "prompt_template": "Respond to: {input}"
             *         },
             *         "id": "llm_1",
             *         "position": {
             *           "x": 200,
             *           "y": 0
             *         },
             *         "type": "llm"
             *       },
             *       {
             *         "config": {},
             *         "id": "output",
             *         "position": {
             *           "x": 400,
             *           "y": 0
             *         },
             *         "type": "output"
             *       }
             *     ]
             */
            nodes: {
                [key: string]: unknown;
            }[];
            /**
             * Output Schema
             * @description The JSON Schema of what a run answers, from the output nodes; null where the graph has none that can be read.
             */
            output_schema: {
                [key: string]: unknown;
            } | null;
            /**
             * Owner
             * @description Whose it is, where it is shared with the caller.
             */
            owner?: string | null;
            /**
             * Publication
             * @description How often what is published has changed.
             */
            publication: number;
            /**
             * Published Version
             * @description The version that runs by default. Null where none was ever published (`publication` is 0: the newest runs), and where the workflow was taken offline.
             */
            published_version: number | null;
            /** @description What the caller may do with it, where that is not everything. */
            role?: components["schemas"]["Role"] | null;
            /** Timeout S */
            timeout_s: number | null;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
            /** Version */
            version: number;
        };
        /** WorkflowSummaryOut */
        WorkflowSummaryOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Description */
            description: string;
            /**
             * Id
             * @example 5b6f1c0e-6b1f-4d53-9c39-0e6d0c1f3d5a
             */
            id: string;
            /** Name */
            name: string;
            /**
             * Owner
             * @description Whose it is, where it is shared with the caller.
             */
            owner?: string | null;
            /**
             * Publication
             * @description How often what is published has changed.
             */
            publication: number;
            /**
             * Published Version
             * @description The version that runs by default. Null where none was ever published (`publication` is 0: the newest runs), and where the workflow was taken offline.
             */
            published_version: number | null;
            /** @description What the caller may do with it, where that is not everything. */
            role?: components["schemas"]["Role"] | null;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
            /** Version */
            version: number;
        };
        /**
         * WorkflowUpdate
         * @description `version` is the version that is replaced; `If-Match` says the same.
         * @example {
         *       "description": "Answers a message.",
         *       "edges": [
         *         {
         *           "source": "start",
         *           "target": "llm_1"
         *         },
         *         {
         *           "source": "llm_1",
         *           "target": "output"
         *         }
         *       ],
         *       "name": "Simple Chatbot",
         *       "nodes": [
         *         {
         *           "config": {
         *             "name": "Start"
         *           },
         *           "id": "start",
         *           "position": {
         *             "x": 0,
         *             "y": 0
         *           },
         *           "type": "start"
         *         },
         *         {
         *           "config": {
         *             "model": "gpt-3.5-turbo",
         *             "name": "Chat",
         *             "prompt_template": "Respond to: {input}"
         *           },
         *           "id": "llm_1",
         *           "position": {
         *             "x": 200,
         *             "y": 0
         *           },
         *           "type": "llm"
         *         },
         *         {
         *           "config": {},
         *           "id": "output",
         *           "position": {
         *             "x": 400,
         *             "y": 0
         *           },
         *           "type": "output"
         *         }
         *       ],
         *       "version": 1
         *     }
         */
        WorkflowUpdate: {
            /**
             * Description
             * @default
             */
            description?: string;
            /** Edges */
            edges?: components["schemas"]["Edge"][];
            /**
             * Max Parallel
             * @description How many nodes of an execution run at once, beside those that wait for something outside.
             */
            max_parallel?: number | null;
            /** Name */
            name: string;
            /** Nodes */
            nodes?: components["schemas"]["Node"][];
            /**
             * Timeout S
             * @description The longest that an execution may take, pauses included.
             */
            timeout_s?: number | null;
            /** Version */
            version?: number | null;
        };
        /**
         * ReportOut
         * @description What was carried, and what was not.
         */
        api__transfers__schemas__ReportOut: {
            /** Approximated */
            approximated: components["schemas"]["FindingOut"][];
            /** Carried */
            carried: components["schemas"]["CarriedOut"][];
            /** Dropped */
            dropped: components["schemas"]["FindingOut"][];
            /**
             * Format
             * @description What it was: pilot, reactflow, dify or n8n.
             */
            format: string;
        };
        /**
         * ReportOut
         * @description A page of lines in descending order of their groups, and the sum over all pages.
         */
        api__usage__schemas__ReportOut: {
            /**
             * From
             * Format: date
             */
            from: string;
            /** Items */
            items: components["schemas"]["UsageRowOut"][];
            /** Next Cursor */
            next_cursor?: string | null;
            /**
             * To
             * Format: date
             */
            to: string;
            total: components["schemas"]["TotalOut"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    root: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RootOut"];
                };
            };
        };
    };
    list_api_keys: {
        parameters: {
            query?: {
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_ApiKeyOut_"];
                };
            };
        };
    };
    create_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ApiKeyIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewApiKeyOut"];
                };
            };
        };
    };
    revoke_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_approvals: {
        parameters: {
            query?: {
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_ApprovalOut_"];
                };
            };
        };
    };
    read_budget: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BudgetOut"];
                };
            };
        };
    };
    put_budget: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BudgetIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BudgetOut"];
                };
            };
        };
    };
    delete_budget: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    decode: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PayloadsIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PayloadsOut"];
                };
            };
        };
    };
    encode: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PayloadsIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PayloadsOut"];
                };
            };
        };
    };
    list_executions: {
        parameters: {
            query?: {
                workflow_id?: string;
                status?: components["schemas"]["ExecutionStatus"];
                /** @description An execution, for those that its nodes began; `any` for all. */
                parent?: "any" | string | null;
                /** @description The first day (UTC) of their creation. */
                from?: string;
                /** @description The last day, inclusive. */
                to?: string;
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: {
                "if-none-match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_ExecutionSummaryOut_"];
                };
            };
            /** @description It is still what If-None-Match names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    export_executions: {
        parameters: {
            query?: {
                /** @description The first day (UTC) of their creation. */
                from?: string;
                /** @description The last day, inclusive. */
                to?: string;
                workflow_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The lines of one execution after the other, newest first. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": {
                        /** @enum {unknown} */
                        kind: "execution" | "node" | "iteration" | "wait" | "call" | "event";
                    };
                };
            };
        };
    };
    read_execution: {
        parameters: {
            query?: never;
            header?: {
                "if-none-match"?: string;
            };
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
            /** @description It is still what If-None-Match names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    delete_execution: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_execution_approvals: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_ApprovalOut_"];
                };
            };
        };
    };
    answer_approval: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repetition with the same key gets the same answer. */
                "idempotency-key"?: string;
            };
            path: {
                execution_id: string;
                node_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnswerIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AnswerOut"];
                };
            };
        };
    };
    cancel_execution: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
        };
    };
    list_children: {
        parameters: {
            query?: {
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_ExecutionSummaryOut_"];
                };
            };
        };
    };
    stream_events: {
        parameters: {
            query?: {
                last_seq?: number;
            };
            header?: {
                /** @description An `id`. */
                "last-event-id"?: string;
            };
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events as they come. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": {
                        data?: string;
                        /** @description `type` */
                        event?: string;
                        /** @description `seq`, or `<seq>.end` */
                        id?: string;
                        /** @description Milliseconds */
                        retry?: number;
                    };
                };
            };
            /** @description The run has finished, and the client has all of it. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_iterations: {
        parameters: {
            query?: {
                /** @description Which run of the loop or map, where it stands inside of another: `outer[3]`. */
                path?: string;
                status?: components["schemas"]["NodeStatus"];
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path: {
                execution_id: string;
                node_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_IterationOut_"];
                };
            };
        };
    };
    read_node_output: {
        parameters: {
            query?: {
                /** @description The node's `path`, where it has one. */
                path?: string;
            };
            header?: {
                /** @description One range of bytes. */
                Range?: string;
                /** @description The range only if this is still the tag. */
                "if-range"?: string;
                /** @description 304 if this is still the tag. */
                "if-none-match"?: string;
            };
            path: {
                execution_id: string;
                node_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The output, as JSON. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description The bytes of `Content-Range`. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": string;
                };
            };
            /** @description It is what `If-None-Match` names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    read_output: {
        parameters: {
            query?: never;
            header?: {
                /** @description One range of bytes. */
                Range?: string;
                /** @description The range only if this is still the tag. */
                "if-range"?: string;
                /** @description 304 if this is still the tag. */
                "if-none-match"?: string;
            };
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The output, as JSON. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description The bytes of `Content-Range`. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": string;
                };
            };
            /** @description It is what `If-None-Match` names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    pause_execution: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
        };
    };
    resume_execution: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
        };
    };
    retry_execution: {
        parameters: {
            query?: {
                /** @description Seconds to wait for the end. */
                wait?: number;
            };
            header?: {
                /** @description 1 to 255 printable characters. The same key gives the same execution. */
                "idempotency-key"?: string;
            };
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RetryIn"] | null;
            };
        };
        responses: {
            /** @description Finished within `wait` seconds. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
        };
    };
    send_signal: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repetition with the same key gets the same answer. */
                "idempotency-key"?: string;
            };
            path: {
                execution_id: string;
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["SignalIn"] | null;
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignalOut"];
                };
            };
        };
    };
    list_waits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WaitsOut"];
                };
            };
        };
    };
    receive_hook: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repetition with the same key gets the same answer. */
                "idempotency-key"?: string;
                /** @description Another name of the same. */
                "webhook-id"?: string;
                /** @description A third. */
                "x-github-delivery"?: string;
            };
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": unknown;
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HookOut"];
                };
            };
            /** @description Kept until the run waits for it. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HookOut"];
                };
            };
        };
    };
    delete_me: {
        parameters: {
            query?: {
                /** @description The id of the user, or of the organisation that the token names: whose data is to be deleted. */
                confirm?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeletionOut"];
                };
            };
        };
    };
    read_deletion: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeletionOut"];
                };
            };
        };
    };
    list_node_types: {
        parameters: {
            query?: never;
            header?: {
                "if-none-match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeTypesOut"];
                };
            };
            /** @description It is still what If-None-Match names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    read_graph_schema: {
        parameters: {
            query?: never;
            header?: {
                "if-none-match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description It is still what If-None-Match names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_secrets: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_SecretOut_"];
                };
            };
        };
    };
    put_secret: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SecretIn"];
            };
        };
        responses: {
            /** @description It was there, and has the new value now. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretOut"];
                };
            };
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretOut"];
                };
            };
        };
    };
    delete_secret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_templates: {
        parameters: {
            query?: never;
            header?: {
                "if-none-match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_TemplateSummaryOut_"];
                };
            };
            /** @description It is still what If-None-Match names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    read_template: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                template_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TemplateOut"];
                };
            };
        };
    };
    use_template: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                template_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["TemplateUse"] | null;
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkflowOut"];
                };
            };
        };
    };
    give_ticket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TicketOut"];
                };
            };
        };
    };
    list_triggers: {
        parameters: {
            query?: {
                workflow_id?: string;
                kind?: components["schemas"]["TriggerKind"];
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_TriggerOut_"];
                };
            };
        };
    };
    create_trigger: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repetition with the same key makes no second one. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TriggerIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewTriggerOut"];
                };
            };
        };
    };
    read_trigger: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TriggerOut"];
                };
            };
        };
    };
    update_trigger: {
        parameters: {
            query?: never;
            header?: {
                "if-match"?: string;
            };
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TriggerUpdate"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TriggerOut"];
                };
            };
        };
    };
    delete_trigger: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    backfill_trigger: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BackfillIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TriggerOut"];
                };
            };
        };
    };
    list_triggered: {
        parameters: {
            query?: {
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_ExecutionSummaryOut_"];
                };
            };
        };
    };
    pause_trigger: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["PauseIn"] | null;
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TriggerOut"];
                };
            };
        };
    };
    resume_trigger: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TriggerOut"];
                };
            };
        };
    };
    rotate_trigger: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewTriggerOut"];
                };
            };
        };
    };
    run_trigger: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trigger_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TriggerOut"];
                };
            };
        };
    };
    read_usage: {
        parameters: {
            query?: {
                /** @description The first day (UTC) [30 days up to `to`]. */
                from?: string;
                /** @description The last day, inclusive [today]. */
                to?: string;
                /** @description Any of day, workflow and model, with commas between. */
                group_by?: string;
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["api__usage__schemas__ReportOut"];
                };
            };
        };
    };
    read_days: {
        parameters: {
            query?: {
                workflow_id?: string;
                /** @description The first day (UTC) [30 days up to `to`]. */
                from?: string;
                /** @description The last day, inclusive [today]. */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DaysOut"];
                };
            };
        };
    };
    answer_challenge: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    call_webhook: {
        parameters: {
            query?: {
                /** @description Seconds to wait, as far as the webhook allows. */
                wait?: number;
            };
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        /** @description JSON, a form, text, or anything else, which a run is given as base64. */
        requestBody?: {
            content: {
                "*/*": unknown;
                "application/json": unknown;
            };
        };
        responses: {
            /** @description It ended while it was waited for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReceivedOut"];
                };
            };
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReceivedOut"];
                };
            };
        };
    };
    list_workflows: {
        parameters: {
            query?: {
                /** @description Those that others share with the caller, instead of their own. */
                shared?: boolean;
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: {
                "if-none-match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_WorkflowSummaryOut_"];
                };
            };
            /** @description It is still what If-None-Match names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    create_workflow: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkflowIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkflowOut"];
                };
            };
        };
    };
    import_workflow: {
        parameters: {
            query?: {
                format?: components["schemas"]["ImportFormat"];
                name?: string;
                dry_run?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * Content
                     * @description JSON, or YAML in a string.
                     */
                    content: string | {
                        [key: string]: unknown;
                    };
                    /**
                     * Dry Run
                     * @description Answer with the draft; save nothing.
                     * @default false
                     */
                    dry_run?: boolean;
                    /**
                     * ImportFormat
                     * @description What a document may be said to be; `auto` finds out.
                     * @default auto
                     * @enum {string}
                     */
                    format?: "auto" | "pilot" | "reactflow" | "dify" | "n8n";
                    /**
                     * Name
                     * @description Instead of the document's own.
                     */
                    name?: string | null;
                } | Record<string, never> | Record<string, never>;
                "application/yaml": string;
            };
        };
        responses: {
            /** @description The draft of a dry run. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImportOut"];
                };
            };
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImportOut"];
                };
            };
        };
    };
    validate_graph: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GraphIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ValidationOut"];
                };
            };
        };
    };
    read_workflow: {
        parameters: {
            query?: never;
            header?: {
                "if-none-match"?: string;
            };
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkflowOut"];
                };
            };
            /** @description It is still what If-None-Match names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    update_workflow: {
        parameters: {
            query?: never;
            header?: {
                "if-match"?: string;
            };
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkflowUpdate"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkflowOut"];
                };
            };
        };
    };
    delete_workflow: {
        parameters: {
            query?: {
                /** @description Cancel its open executions and wait for them to end. */
                cancel_executions?: boolean;
            };
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    read_workflow_budget: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BudgetOut"];
                };
            };
        };
    };
    put_workflow_budget: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BudgetIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BudgetOut"];
                };
            };
        };
    };
    delete_workflow_budget: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    execute_workflow: {
        parameters: {
            query?: {
                /** @description Seconds to wait for the end; then 200. */
                wait?: number;
                /** @description Answer with the run's server-sent events; then `wait` is nothing. */
                stream?: boolean;
            };
            header?: {
                /** @description 1 to 255 printable characters. The same key gives the same execution, started once; with another input it is refused (422). */
                "idempotency-key"?: string;
                /** @description An `id`. */
                "last-event-id"?: string;
            };
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ExecuteIn"] | null;
            };
        };
        responses: {
            /** @description Finished within `wait` seconds; or, with `stream`, the events. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                    "text/event-stream": {
                        data?: string;
                        /** @description `type` */
                        event?: string;
                        /** @description `seq`, or `<seq>.end` */
                        id?: string;
                        /** @description Milliseconds */
                        retry?: number;
                    };
                };
            };
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
        };
    };
    export_workflow: {
        parameters: {
            query?: {
                format?: components["schemas"]["ExportFormat"];
            };
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The workflow as a file. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                    "text/vnd.mermaid": string;
                };
            };
        };
    };
    test_node: {
        parameters: {
            query?: {
                /** @description Seconds to wait for the end. */
                wait?: number;
            };
            header?: never;
            path: {
                workflow_id: string;
                node_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["TryIn"] | null;
            };
        };
        responses: {
            /** @description Finished within `wait` seconds. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutionOut"];
                };
            };
        };
    };
    read_openapi: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
        };
    };
    publish_workflow: {
        parameters: {
            query?: never;
            header?: {
                "if-match"?: string;
            };
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["PublishIn"] | null;
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PublicationOut"];
                };
            };
        };
    };
    read_retention: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RetentionOut"];
                };
            };
        };
    };
    put_retention: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RetentionIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RetentionOut"];
                };
            };
        };
    };
    list_shares: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_ShareOut_"];
                };
            };
        };
    };
    put_share: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
                grantee: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ShareIn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShareOut"];
                };
            };
        };
    };
    delete_share: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
                grantee: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    unpublish_workflow: {
        parameters: {
            query?: never;
            header?: {
                "if-match"?: string;
            };
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["UnpublishIn"] | null;
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PublicationOut"];
                };
            };
        };
    };
    list_versions: {
        parameters: {
            query?: {
                /** @description Items in a page. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PageOut_VersionSummaryOut_"];
                };
            };
        };
    };
    diff_versions: {
        parameters: {
            query?: {
                /** @description A number, or a name. */
                from?: number | ("draft" | "published");
                /** @description A number, or a name. */
                to?: number | ("draft" | "published");
            };
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DiffOut"];
                };
            };
        };
    };
    read_version: {
        parameters: {
            query?: never;
            header?: {
                "if-none-match"?: string;
            };
            path: {
                workflow_id: string;
                version: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VersionOut"];
                };
            };
            /** @description The client has it, and it never changes. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    restore_version: {
        parameters: {
            query?: never;
            header?: {
                "if-match"?: string;
            };
            path: {
                workflow_id: string;
                version: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkflowOut"];
                };
            };
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthOut"];
                };
            };
        };
    };
    live: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LiveOut"];
                };
            };
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReadyOut"];
                };
            };
        };
    };
}
