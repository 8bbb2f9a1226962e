#include "mtnt/scope.h"

#include "chain/chain.h"

mtnt_db *mtnt_scope_controller(mtnt_scope *scope)
{
    return scope->controller;
}

mtnt_db *mtnt_scope_model(mtnt_scope *scope)
{
    return scope->model;
}

const mtnt_model *mtnt_scope_tenant(const mtnt_scope *scope)
{
    return scope->tenant;
}

int mtnt_scope_create_model(mtnt_scope *scope, bool *ret_created, mtnt_error *err)
{
    bool created = false;
    int rc;

    if (!scope->create_model)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "only an operation with the flag MTNT_OPERATION_CREATES_MODEL may create the model");
    rc = scope->create_model(scope->data, &created, err);
    scope->created = scope->created || (rc == 0 && created);
    if (rc == 0 && ret_created)
        *ret_created = created;
    return rc;
}

bool mtnt_scope_created_model(const mtnt_scope *scope)
{
    return scope->created;
}

int mtnt_scope_delete_model(mtnt_scope *scope, mtnt_error *err)
{
    if (!scope->delete_model)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "only an operation with the flag MTNT_OPERATION_CREATES_MODEL may delete the model");
    return scope->delete_model(scope->data, err);
}

static int not_a_deleter(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_INVALID,
                          "only an operation with the flag MTNT_OPERATION_DELETES_MODEL may put the model away");
}

int mtnt_scope_remove_model(mtnt_scope *scope, int64_t grace_ms, mtnt_error *err)
{
    if (!scope->remove_model)
        return not_a_deleter(err);
    if (grace_ms < 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "a removed model cannot stay for %lld ms", (long long)grace_ms);
    return scope->remove_model(scope->data, grace_ms, err);
}

int mtnt_scope_restore_model(mtnt_scope *scope, mtnt_error *err)
{
    return scope->restore_model ? scope->restore_model(scope->data, err) : not_a_deleter(err);
}

int64_t mtnt_context_remaining_ms(const mtnt_context *context)
{
    return mtnt__deadline_left(context->system, context->deadline);
}

bool mtnt_context_cancelled(const mtnt_context *context)
{
    return context->cancelled && atomic_load(context->cancelled);
}

const char *mtnt_context_migration(const mtnt_context *context)
{
    return context->migration;
}

const char *mtnt_context_key(const mtnt_context *context)
{
    return context->key;
}

int mtnt_context_progress(const mtnt_context *context)
{
    return context->progress;
}

uint32_t mtnt_context_writes(const mtnt_context *context)
{
    return context->writes;
}
