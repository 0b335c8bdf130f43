raise "never in production"
