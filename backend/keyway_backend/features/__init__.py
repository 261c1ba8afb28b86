"""What the product does, one folder per noun. Inside each: routes, schemas, service, rules, store, errors."""
